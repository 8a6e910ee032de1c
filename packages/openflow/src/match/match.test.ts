/** Matches in text, NXM, OXM and the structs of OpenFlow 1.0 and 1.1, both ways. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FIELDS, type FieldPrerequisite, fieldByName, fromHex, toHex } from '@heddle/packet';
import fc from 'fast-check';
import { OfpError } from '../errors.ts';
import { Match } from '../match.ts';
import {
  emitNxMatch,
  emitOfp10Match,
  emitOfp11StandardMatch,
  emitOxmMatch,
  formatMatch,
  formatOxm,
  normalizeMatch,
  parseMatchField,
  parseNxMatch,
  parseOfp10Match,
  parseOfp11Match,
  parseOxmText,
  setMatchField,
} from './index.ts';

/** Words with their commas outside parentheses. */
function matchOf(text: string): Match {
  const match = new Match();
  for (const word of text.match(/(?:[^,(]|\([^)]*\))+/g) ?? []) {
    const [key = '', value = ''] = word.split(/=(.*)/s);
    assert.notEqual(parseMatchField(match, key, value), undefined, key);
  }
  return match;
}

const TEXTS = [
  '',
  'tcp,in_port=1,nw_src=10.0.0.0/8,tp_dst=80',
  'in_port=LOCAL,dl_src=00:00:00:00:00:01,dl_dst=01:00:00:00:00:00/01:00:00:00:00:00',
  'dl_vlan=5,dl_vlan_pcp=3',
  'vlan_tci=0x1000/0x1000',
  'vlan_tci=0x0000',
  'icmp6,icmp_type=135,icmp_code=0,nd_target=fe80::1,nd_sll=00:00:00:00:00:05',
  'ct_state=+est-rel+trk,ct_zone=5,ct_mark=0x5/0xf,ct_label=0x55/0xff',
  'reg0=0x5,reg1=0/0x7,tun_id=0x5/0xff,tun_src=1.2.3.0/24,tun_dst=2.3.4.5,tun_flags=+oam,metadata=0x1',
  'tun_ipv6_src=fe80::/16,tun_ipv6_dst=::1,tun_metadata3=0x5/0xf0f,tun_metadata7',
  'arp,arp_spa=1.2.3.4,arp_op=1,arp_sha=00:00:00:00:00:01',
  'mpls,mpls_label=5,mpls_tc=3,mpls_ttl=64,mpls_bos=1',
  'packet_type=(1,0x800),nw_src=1.2.3.4',
  'tcp,nw_frag=not_later,tcp_flags=+syn-ack',
  'dl_type=0x894f,nsh_flags=0x01/0x03,nsh_mdtype=1,nsh_spi=0x123456,nsh_si=255,nsh_c2=0x2/0xff',
];

test('text, NXM and OXM say the same', () => {
  for (const text of TEXTS) {
    const match = matchOf(text);
    assert.equal(formatMatch(match), text);
    assert.ok(parseNxMatch(emitNxMatch(match)).match.equals(match), text);
    for (const version of [3, 4, 5, 6] as const) {
      const { match: back, length } = parseOfp11Match(emitOxmMatch(match, version));
      // OXM's VLAN_VID has no bits for the priority.
      if (text !== 'vlan_tci=0x0000') assert.equal(formatMatch(back), text);
      assert.equal(length % 8, 0);
    }
  }
});

/** A match in which a field may stand. */
const STANDS: Readonly<Record<FieldPrerequisite, string>> = {
  CT: 'ip,ct_state=+est+trk',
  Ethernet: '',
  'VLAN VID': 'dl_vlan=5',
  MPLS: 'mpls',
  IPv4: 'ip',
  IPv6: 'ipv6',
  'IPv4/IPv6': 'ip',
  ARP: 'arp',
  NSH: 'dl_type=0x894f,nsh_mdtype=1',
  TCP: 'tcp',
  UDP: 'udp',
  SCTP: 'sctp',
  ICMPv4: 'icmp',
  ICMPv6: 'icmp6',
  ND: 'icmp6,icmp_type=135,icmp_code=0',
  'ND solicit': 'icmp6,icmp_type=135,icmp_code=0',
  'ND advert': 'icmp6,icmp_type=136,icmp_code=0',
};
/** For fields that ask for more or less than others of their prerequisite. */
const STANDS_ONLY: Readonly<Record<string, string>> = {
  ct_ipv6_src: 'ipv6,ct_state=+est+trk',
  ct_ipv6_dst: 'ipv6,ct_state=+est+trk',
  nsh_mdtype: 'dl_type=0x894f',
  ct_tp_src: 'ip,ct_state=+est+trk,ct_nw_proto=6',
  ct_tp_dst: 'ip,ct_state=+est+trk,ct_nw_proto=6',
  tun_erspan_idx: 'tun_erspan_ver=1',
  tun_erspan_dir: 'tun_erspan_ver=2',
  tun_erspan_hwid: 'tun_erspan_ver=2',
};

test('every field of the table goes to the wire, comes back and is told', () => {
  for (const field of FIELDS) {
    const { name, prerequisite = 'Ethernet', tunMetadata } = field;
    if ((field.nxm ?? field.oxm) === undefined || tunMetadata !== undefined) continue;
    const stands = STANDS_ONLY[name] ?? STANDS[prerequisite];
    const plain = matchOf(stands);
    const match = matchOf(stands);
    // Without the bit that says that there is a tag it would be no tag.
    setMatchField(match, field, name === 'vlan_tci' ? 0x1001n : 1n);
    const { match: back } = parseOfp11Match(emitOxmMatch(match, 6));
    assert.ok(back.equals(match), `${name}: ${formatMatch(back)}`);
    assert.notEqual(formatMatch(match), formatMatch(plain), name);
  }
});

test('entries as their names write them', () => {
  const text = 'NXM_OF_IN_PORT(0001), NXM_OF_ETH_TYPE(0800), NXM_OF_IP_SRC_W(c0a80100/ffffff00)';
  const bytes = parseOxmText(text);
  assert.equal(toHex(bytes), '00000002000100000602080000000f08c0a80100ffffff00');
  assert.equal(formatOxm(bytes), text);
  assert.equal(formatOxm(emitNxMatch(parseNxMatch(bytes).match)), text);
});

test('the cookie is a pseudo-field of NXM', () => {
  const bytes = emitNxMatch(matchOf('ip'), 5n, 7n);
  assert.match(formatOxm(bytes), /NXM_NX_COOKIE_W\(0000000000000005\/0000000000000007\)$/);
  const { cookie, cookieMask } = parseNxMatch(bytes, { cookie: true });
  assert.deepEqual([cookie, cookieMask], [5n, 7n]);
  assert.throws(() => parseNxMatch(bytes), /OFPBMC_BAD_FIELD/);
});

test('errors of entries', () => {
  const cases: Record<string, string> = {
    'NXM_OF_IP_SRC(01020304)': 'OFPBMC_BAD_PREREQ',
    'NXM_OF_ETH_TYPE(0800),NXM_OF_ETH_TYPE(0800)': 'OFPBMC_DUP_FIELD',
    'NXM_OF_ETH_SRC_W(0102030405ff/ffffffffff00)': 'OFPBMC_BAD_WILDCARDS',
    'OXM_OF_IN_PORT(00010000)': 'OFPBMC_BAD_VALUE',
    'NXM_OF_ETH_TYPE(0800),NXM_OF_IP_TOS(05)': 'OFPBMC_BAD_VALUE',
    '12345604(01020304)': 'OFPBMC_BAD_FIELD',
  };
  for (const [text, error] of Object.entries(cases)) {
    assert.throws(() => parseNxMatch(parseOxmText(text)), new RegExp(error), text);
  }
  assert.equal(parseNxMatch(parseOxmText('12345604(01020304)'), { loose: true }).cookie, 0n);
});

test('truncated entries are refused at every length', () => {
  const whole = emitOxmMatch(matchOf(TEXTS[8]!), 4);
  for (let n = 0; n < whole.length; n++) {
    assert.throws(() => parseOfp11Match(whole.subarray(0, n)), OfpError);
  }
  const entries = emitNxMatch(matchOf(TEXTS[1]!));
  const ends = new Set([0, 6, 12, 24, 29, 35]);
  for (let n = 0; n < entries.length; n++) {
    if (!ends.has(n)) assert.throws(() => parseNxMatch(entries.subarray(0, n)), OfpError, `${n}`);
  }
});

test('any bytes make a match or an error', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), fc.boolean(), (bytes, loose) => {
      try {
        const { match } = parseNxMatch(bytes, { loose });
        formatMatch(match);
        emitOxmMatch(match, 6);
      } catch (error) {
        assert.ok(error instanceof OfpError);
      }
    }),
  );
});

test('OpenFlow 1.0 and 1.1 matches survive what they can say', () => {
  for (const text of [
    'tcp,in_port=1,dl_vlan=5,dl_vlan_pcp=3,dl_src=00:00:00:00:00:01,nw_src=10.0.0.0/8,nw_tos=4,tp_dst=80',
    'vlan_tci=0x0000',
    'dl_vlan_pcp=3',
    'arp,arp_spa=1.2.3.4,arp_op=1',
    'in_port=LOCAL',
  ]) {
    const match = matchOf(text);
    assert.equal(formatMatch(parseOfp10Match(emitOfp10Match(match))), text);
    assert.equal(formatMatch(parseOfp11Match(emitOfp11StandardMatch(match)).match), text);
  }
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 40, maxLength: 40 }), (bytes) => {
      const once = emitOfp10Match(parseOfp10Match(bytes));
      assert.equal(toHex(emitOfp10Match(parseOfp10Match(once))), toHex(once));
    }),
  );
  const bad = fromHex(`00000050${'00'.repeat(84)}`);
  assert.throws(() => parseOfp11Match(bad), /OFPBMC_BAD_LEN/);
});

test('what the Ethertype does not allow is dropped', () => {
  const cases: [string, string][] = [
    ['nw_src=1.2.3.4', ''],
    ['arp,nw_tos=4,arp_op=6', 'arp,arp_op=6'],
    ['ip,nw_proto=47,tp_src=5', 'ip,nw_proto=47'],
    ['icmp6,icmp_type=136,nd_sll=00:00:00:00:00:01', 'icmp6,icmp_type=136'],
    ['tcp,tp_src=5', 'tcp,tp_src=5'],
  ];
  for (const [before, after] of cases) {
    const match = matchOf(before);
    assert.equal(normalizeMatch(match), before !== after);
    assert.equal(formatMatch(match), after);
  }
});

test('fields by number', () => {
  const match = new Match();
  setMatchField(match, fieldByName('tun_src')!, 0x01020304n, 0xffff0000n);
  setMatchField(match, fieldByName('in_port_oxm')!, 0xfffen);
  setMatchField(match, fieldByName('vlan_vid')!, 0x1005n);
  assert.equal(formatMatch(match), 'tun_src=1.2.0.0/16,in_port=LOCAL,dl_vlan=5');
});

test('errors of text', () => {
  const cases: [string, string, string][] = [
    [
      'nw_src',
      '1.2.3.4/33',
      '1.2.3.4/33: IPv4 network prefix bits not between 0 and 32, inclusive',
    ],
    ['reg0', '0x100000000', '0x100000000: value too large for 4-byte field reg0'],
    ['tp_src', 'http', 'http: bad syntax for tcp_src value'],
    ['icmp_type', '5/1', '5/1: invalid mask for field icmp_type'],
    ['tcp_flags', '+syn+syn', 'syn: Each TCP flag can be specified only once'],
    ['in_port', 'foo', 'foo: invalid or unknown port for in_port'],
    ['packet_type', '5', "5: bad syntax for packet type missing '('"],
  ];
  for (const [key, value, message] of cases) {
    assert.throws(() => parseMatchField(new Match(), key, value), { message });
  }
  assert.equal(parseMatchField(new Match(), 'foo', '1'), undefined);
});
