/**
 * Packets whose headers flow tables know of and datapaths' keys do not hold (MPLS, NSH), and IGMP: traces of the packets
 * themselves, and packet-outs into tables, as with Open vSwitch.
 * Packet-outs that cannot be done.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { isolate, Scope } from '@heddle/testing';
import { agree, DummySwitch } from './dummy-switch.ts';

isolate();

const MACS = '0200000000020200000000aa';
const IP =
  '450000280001000040060000' + '0a0000010a000002' + '04d2005000000001' + '0000000250020000abcd0000';
const IGMP = '46c00020000100000102' + '0000' + '0a000001e0000016' + '94040000' + '1164ee9b00000000';
const NSH = '0fc60103000001ff' + '0102030405060708090a0b0c0d0e0f10';
const NSH_MD2 = '01030203000007fe' + '00010004aabbccdd';
const FE80 = 'fe80000000000000000000000000';
const nd = (type: string, options: string) =>
  `333300000001020000000001${'86dd60000000'}${(24 + options.length / 2).toString(16).padStart(4, '0')}3aff` +
  `${FE80}0001${FE80}0002${type}0000${'60000000'}${FE80}0001${options}`;
const FRAMES: Readonly<Record<string, string>> = {
  'one label': `${MACS}884700005140${IP}`,
  'two labels': `${MACS}8847${'00005040'}${'00006180'}${IP}`,
  'three labels': `${MACS}884700006040${'00005040'}${'00007180'}${IP}`,
  'four labels': `${MACS}884700006040${'00005040'}${'00007040'}${'00008180'}${IP}`,
  'five labels': `${MACS}884700005040${'00005040'.repeat(3)}${'00008180'}${IP}`,
  'a multicast label': `${MACS}884800005140${IP}`,
  'a label behind a tag': `${MACS}8100200a8847${'00005140'}${IP}`,
  'a label cut short': `${MACS}88470000`,
  'NSH with context': `${MACS}894f${NSH}${MACS}0800${IP}`,
  'NSH with metadata': `${MACS}894f${NSH_MD2}${MACS}0800${IP}`,
  'NSH cut short': `${MACS}894f${NSH.slice(0, 20)}`,
  'an advertisement': nd('8800', '0201020000000002'),
  'a solicitation with other options': nd('8700', `0501000000000578${'0101020000000001'}`),
  'an advertisement with a broken option': nd('8800', `0100020000000001${'0201020000000002'}`),
  IGMP: `01005e000016020000000001${'0800'}${IGMP}`,
};
const FLOWS = [
  'mpls,mpls_label=5,mpls_bos=0,actions=set_field:9->mpls_label,output:2',
  'mpls,mpls_label=5,mpls_ttl=64,actions=dec_mpls_ttl,pop_mpls:0x0800,output:2',
  'mpls,mpls_label=6,actions=pop_mpls:0x0800,output:2',
  'mplsm,mpls_label=5,actions=push_mpls:0x8847,output:2',
  'dl_type=0x894f,nsh_spi=1,nsh_c2=0x5060708,actions=dec_nsh_ttl,output:2',
  'dl_type=0x894f,nsh_si=0xfe,actions=set_field:3->nsh_ttl,output:2',
  'icmp6,icmp_type=136,icmp_code=0,nd_reserved=0x60000000,nd_options_type=2,actions=output:2',
  'icmp6,icmp_type=135,icmp_code=0,nd_options_type=1,actions=output:2',
  'ip,nw_proto=2,actions=dec_ttl,output:2',
  'priority=0,actions=drop',
];

/**
 * Open vSwitch also sets what has been matched, looks at all of a label that comes to the top and at an ICMP type where
 * what only one type has has been looked at, and has keys for what Neighbor Discovery says beside addresses.
 */
function decision(trace: string): string {
  return trace
    .replace(/set\((mpls|nsh).*/, '')
    .replace(/(?<=^Megaflow.*)(,mpls_lse[12]=[^,\n]*)+/m, '')
    .replace(/(?<=^Megaflow.*),icmp_type=[^,\n]*,icmp_code=[^,\n]*/m, '')
    .replace(/This flow is handled by the userspace slow path[\s\S]*/, '');
}

test('traces of packets, packet-outs and what is received go by MPLS, NSH and ND; traces tell of IGMP', async () => {
  await using scope = new Scope();
  const both = await DummySwitch.pair(scope);
  for (const subject of both) {
    await subject.setUp('br0', ['p1', 'p2']);
    const ofctl = (...words: string[]) =>
      subject.instance.exec('ovs-ofctl', '-OOpenFlow13', ...words);
    await ofctl('del-flows', 'br0');
    for (const flow of FLOWS) await ofctl('add-flow', 'br0', flow);
  }
  for (const [name, frame] of Object.entries(FRAMES)) {
    await agree(both, `trace: ${name}`, async (subject) =>
      decision(await subject.appctl('ofproto/trace', 'br0', 'in_port=1', frame)),
    );
    if (name.endsWith('short')) continue;
    await agree(both, `sent and received: ${name}`, async (subject) => {
      const { instance } = subject;
      const padded = frame.padEnd(120, '0');
      const words = `in_port=1 packet=${padded} actions=table`;
      const { stderr } = await instance.run(
        'ovs-ofctl',
        '-OOpenFlow13',
        'packet-out',
        'br0',
        words,
      );
      await subject.receive('p1', padded);
      return [...subject.transmitted('p2'), stderr].join('\n');
    });
  }
});

const STACKS = ['two labels', 'three labels'].map((name) => FRAMES[name]!);
const ON_STACKS = [
  'pop_mpls:0x8847,set_field:9->mpls_label',
  'pop_mpls:0x8848',
  'pop_mpls:0x8848,pop_mpls:0x8848',
  'pop_mpls:0x8847,set_field:9->mpls_label,push_mpls:0x8848',
];

test('labels below one that is popped: rewritten where they are, looked at whole', async () => {
  await using scope = new Scope();
  const both = await DummySwitch.pair(scope);
  for (const subject of both) await subject.setUp('br0', ['p1', 'p2']);
  for (const actions of ON_STACKS) {
    for (const subject of both) {
      const flow = `mpls,actions=${actions},output:2`;
      await subject.instance.exec('ovs-ofctl', '-O', 'OpenFlow13', 'add-flow', 'br0', flow);
    }
    for (const frame of STACKS) {
      await agree(both, actions, async (subject) => {
        const trace = await subject.appctl('ofproto/trace', 'br0', 'in_port=1', frame);
        return /^Megaflow:.*\nDatapath actions:.*/m.exec(trace)![0];
      });
    }
  }
});

test('a packet-out whose way has no end is refused, alone and in a bundle, which changes nothing then', async () => {
  await using scope = new Scope();
  const both = await DummySwitch.pair(scope);
  for (const subject of both) {
    await subject.setUp('br0', ['p1', 'p2']);
    await subject.instance.exec('ovs-ofctl', 'add-flow', 'br0', 'table=1,actions=resubmit(,1)');
  }
  const sent = `in_port=1 packet=${MACS}0800${IP} actions=resubmit(,1),output:2`;
  for (const version of ['OpenFlow10', 'OpenFlow11', 'OpenFlow14']) {
    await agree(both, version, async ({ instance }) => {
      const { code, stderr } = await instance.run(
        'ovs-ofctl',
        `-O${version}`,
        'packet-out',
        'br0',
        sent,
      );
      return `${code} ${stderr}`;
    });
  }
  await agree(both, 'in a bundle', async (subject) => {
    const { instance } = subject;
    const file = join(instance.directory, 'bundle');
    writeFileSync(
      file,
      `flow add table=2,actions=output:2\npacket-out ${sent.replaceAll(' ', ',')}\n`,
    );
    const { code, stderr } = await instance.run('ovs-ofctl', '-OOpenFlow14', 'bundle', 'br0', file);
    const flows = await instance.exec('ovs-ofctl', 'dump-flows', '--no-stats', 'br0', 'table=2');
    const told = stderr.replaceAll(instance.directory, '');
    return [code, told, flows, ...subject.transmitted('p2')].join('\n');
  });
});
