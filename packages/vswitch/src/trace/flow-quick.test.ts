/** Words of flows read quickly, beside the same ones read by the field table. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { OFPP_NONE } from '@heddle/openflow';
import { KeyValueScanner } from '@heddle/openflow/actions/text-scan';
import { FIELDS, Flow, TlvTable } from '@heddle/packet';
import { messageOf } from '@heddle/runtime';
import fc from 'fast-check';
import { parseOpenFlowFlow } from './flow-parse.ts';
import { readQuickly } from './flow-quick.ts';
import { FlowWords } from './flow-words.ts';

const ofportOf = (name: string) => (name === 'p1' ? 1 : undefined);

/** What a flow's text says, or what is wrong with it. */
type Read = { flow: number[]; mask: number[]; ofport: number } | string;

function wholly(text: string): Read {
  try {
    const { flow, mask, ofport } = parseOpenFlowFlow(text, ofportOf);
    return { flow: [...flow.u32], mask: [...mask.u32], ofport };
  } catch (error) {
    return messageOf(error);
  }
}

function generally(text: string): Read {
  const words = new FlowWords(new Flow(), new Flow(), ofportOf);
  words.flow.tlv = TlvTable.EMPTY;
  const scan = new KeyValueScanner(text);
  try {
    while (scan.next()) words.word(scan.key, scan.value);
  } catch (error) {
    return `${text}: ${messageOf(error)}`;
  }
  const { flow, mask, ofport } = words;
  return { flow: [...flow.u32], mask: [...mask.u32], ofport: ofport === 0 ? OFPP_NONE : ofport };
}

const NAMES = FIELDS.flatMap(({ name, alias }) => (alias === undefined ? [name] : [name, alias]))
  .filter((name) => !name.startsWith('tun_metadata'))
  .concat('dl_vlan', 'dl_vlan_pcp', 'nosuch', 'constructor');
const PROTOCOLS = ['ip', 'tcp', 'udp6', 'icmp', 'icmp6', 'arp', 'sctp', 'mpls', 'ipv6', 'rarp'];

const number = fc.oneof(
  fc.constantFrom(0, 1, 7, 8, 63, 64, 255, 256, 0xfff, 0x1000, 0xfeff, 0xff00, 0xfffe, 0xffff),
  fc.constantFrom(0x10000, 999_999_999, 0xffff_feff, 0xffff_ffff, 0x1_0000_0000),
  fc.nat(0xffff_ffff),
);
const byte = fc.nat(0xff);
const value = fc.oneof(
  { weight: 3, arbitrary: number.map(String) },
  number.map((n) => `0x${n.toString(16)}`),
  number.map((n) => `0X${n.toString(16).toUpperCase()}`),
  number.map((n) => `0${n.toString(8)}`),
  { weight: 2, arbitrary: fc.tuple(byte, byte, byte, byte).map((bytes) => bytes.join('.')) },
  {
    weight: 2,
    arbitrary: fc
      .array(byte, { minLength: 5, maxLength: 7 })
      .map((bytes) => bytes.map((b) => b.toString(16).padStart(2, '0')).join(':')),
  },
  fc.constantFrom('', '*', '0x', '-1', '+1', '1/1', '10.0.0.1/32', '10.0.0.256', '1:2:3:4:5:6'),
  fc.constantFrom(
    'LOCAL',
    'local',
    'p1',
    'ANY',
    'trk',
    'later',
    'fe80::1',
    '(1,0x800)',
    'AA:bb:0c:00:00:0g',
  ),
);
const word = fc.oneof(
  { weight: 4, arbitrary: fc.tuple(fc.constantFrom(...NAMES), value).map(([n, v]) => `${n}=${v}`) },
  fc.constantFrom(...PROTOCOLS),
);
const text = fc.tuple(fc.constantFrom('', ...PROTOCOLS), fc.array(word, { maxLength: 5 }));

it('reads words quickly as it reads them by the field table', () => {
  fc.assert(
    fc.property(text, ([protocol, words]) => {
      const flow = [protocol, ...words].filter((w) => w !== '').join(',');
      assert.deepEqual(wholly(flow), generally(flow));
    }),
    { numRuns: 20_000 },
  );
});

it('agrees about each field after the words that let it stand there', () => {
  const before = [
    '',
    ...PROTOCOLS,
    'icmp6,icmpv6_type=135',
    'ct_state=trk|new,ip',
    'vlan_tci=0x1005',
  ];
  const values = ['0', '1', '5', '0xff', '0xffffffff', '10.1.2.3', '0a:1b:2C:3d:4e:5f', ''];
  for (const first of before) {
    for (const name of NAMES) {
      for (const v of values) {
        const flow = `${first},${name}=${v},${name}=3`;
        assert.deepEqual(wholly(flow), generally(flow));
        const alone = `${first},${name}=${v}`;
        assert.deepEqual(wholly(alone), generally(alone));
      }
    }
  }
});

it('reads what most flows say by itself', () => {
  const words = new FlowWords(new Flow(), new Flow(), ofportOf);
  words.word('tcp', '');
  const quick = [
    ['in_port', 'LOCAL'],
    ['dl_src', '00:01:02:03:04:05'],
    ['eth_dst', '0a:0b:0c:0d:0e:0f'],
    ['nw_src', '192.0.2.1'],
    ['ip_dst', '10.0.0.1'],
    ['nw_ttl', '64'],
    ['nw_tos', '4'],
    ['tcp_src', '1000'],
    ['tp_dst', '0x50'],
    ['reg15', '0xffffffff'],
    ['ct_zone', '0x10'],
  ] as const;
  for (const [name, v] of quick) assert.ok(readQuickly(words, name, v), name);
  assert.ok(!readQuickly(words, 'nw_src', '192.0.2.2'));
  const { flow } = words;
  assert.deepEqual(
    [words.ofport, flow.dlSrc, flow.dlDst, flow.nwSrc, flow.nwTtl, flow.nwTos, flow.tpDst],
    [0xfffe, 0x102030405, 0x0a0b0c0d0e0f, 0xc0000201, 64, 4, 80],
  );
  assert.deepEqual([flow.reg15, flow.ctZone], [0xffff_ffff, 16]);
});
