/** Random actions and instructions, in `ovs-ofctl`'s words. */
import type { Random } from '@heddle/datapath/oracle/random-frame';
import { HeddleError } from '@heddle/runtime';
import { parseGroupLine } from './parse-lines.ts';
import { randomFieldAction, randomLearn } from './random-fields.ts';
import { ANY, MACS, type Protocol } from './random-match.ts';

const N_GROUPS = 12;
/** Those from here on are random ones. */
const FIRST_RANDOM_GROUP = 10;
export const TABLES = [0, 1, 2, 3, 9];
const hex = (n: number): string => `0x${n.toString(16)}`;

function port(r: Random): string {
  return String(r.pick([1, 2, 3, 4, 4, 77]));
}

function laterTable(r: Random, table: number): number | undefined {
  const later = TABLES.filter((t) => t > table);
  return later.length === 0 ? undefined : r.pick(later);
}

/** Never backwards: loops grow beyond any bound. */
function resubmit(r: Random, from: string, table: number, how = ''): string {
  const to = laterTable(r, table);
  return to === undefined ? 'note:03' : `resubmit(${from},${to}${how})`;
}

const COPIES = [
  'NXM_OF_ETH_SRC[]->NXM_OF_ETH_DST[]',
  'NXM_OF_IN_PORT[]->NXM_NX_REG1[0..15]',
  'NXM_NX_REG0[0..7]->NXM_NX_REG1[8..15]',
  'NXM_NX_REG1[0..15]->NXM_NX_REG2[16..31]',
  'NXM_NX_TUN_ID[0..31]->NXM_NX_REG2[]',
  'NXM_NX_REG0[]->NXM_NX_TUN_ID[0..31]',
  'OXM_OF_METADATA[0..31]->NXM_NX_REG1[]',
  'NXM_NX_TUN_METADATA0[0..15]->NXM_NX_REG1[0..15]',
  'NXM_NX_REG1[0..7]->NXM_NX_TUN_METADATA1[8..15]',
  'NXM_NX_TUN_METADATA0[0..31]->NXM_NX_TUN_METADATA1[32..63]',
  'NXM_OF_VLAN_TCI[]->NXM_NX_REG1[0..15]',
  'NXM_NX_CT_MARK[]->NXM_NX_REG2[]',
  'NXM_NX_CT_LABEL[0..31]->NXM_NX_REG1[]',
  'OXM_OF_PKT_REG0[]->OXM_OF_PKT_REG1[]',
  'NXM_NX_PKT_MARK[]->NXM_NX_REG0[]',
];
const SUBFIELDS = [
  ...['NXM_NX_REG0[]', 'NXM_NX_REG1[0..15]', 'NXM_NX_REG2[4..5]', 'NXM_NX_TUN_ID[]'],
  ...['OXM_OF_METADATA[]', 'NXM_NX_TUN_METADATA0[0..31]', 'OXM_OF_PKT_REG1[]', 'NXM_OF_ETH_DST[]'],
  ...['NXM_NX_PKT_MARK[]', 'NXM_NX_XXREG2[]'],
];
const LEARNS = [
  'learn(table=9,hard_timeout=60,NXM_OF_VLAN_TCI[0..11],NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[],output:NXM_OF_IN_PORT[])',
  'learn(table=9,idle_timeout=10,priority=5,cookie=0x9,in_port=2,load:3->NXM_NX_REG0[0..3])',
  'load:0xfffd->NXM_NX_REG1[],learn(table=9,output:NXM_NX_REG1[])',
  'load:0xfffb->NXM_NX_REG1[],learn(table=9,output:NXM_NX_REG1[0..15],output:NXM_NX_REG2[])',
  'learn(table=9,NXM_NX_REG0[]=NXM_NX_REG1[],load:NXM_NX_REG2[0..7]->NXM_NX_REG1[8..15],fin_idle_timeout=3)',
  'learn(table=9,send_flow_rem,delete_learned,limit=3,result_dst=reg2[5],NXM_OF_ETH_SRC[0..23],output:NXM_NX_REG0[0..15])',
  'learn(table=9,NXM_NX_TUN_ID[],NXM_NX_TUN_METADATA0[0..31]=NXM_NX_REG0[],load:NXM_NX_TUN_METADATA1[0..7]->NXM_NX_TUN_METADATA1[8..15])',
];
const TUNNEL_SETS = [
  'set_field:5->tun_id',
  'set_field:0x100000000/0xff00000000->tun_id',
  'set_tunnel:3',
  'set_tunnel64:0x123456789',
  'set_field:10.0.0.9->tun_src',
  'set_field:10.0.0.8->tun_dst',
  'set_field:7->tun_gbp_id',
  'set_field:8->tun_gbp_flags',
  'set_field:0x12->tun_metadata0',
  'set_field:0x10/0xf0->tun_metadata1',
  'delete_field:tun_metadata0',
];

/** Actions that any packet may meet. */
function common(r: Random, p: Protocol, table: number): (() => string)[] {
  return [
    () => `output:${port(r)}`,
    () => `output:${port(r)}`,
    () => `output:${port(r)}`,
    () => r.pick(['NORMAL', 'FLOOD', 'ALL', 'IN_PORT', 'LOCAL', 'TABLE']).replace('TABLE', 'ALL'),
    () => `load:${hex(r.below(4))}->NXM_NX_REG${r.below(3)}[${r.pick(['', '0..7', '4..5'])}]`,
    () => `set_field:${hex(r.below(4))}->reg${r.below(3)}`,
    () => `set_field:${hex(r.below(4))}->${r.pick(['xreg0', 'xxreg2'])}`,
    () => `set_field:${hex(r.below(4))}/0x3->metadata`,
    () => `mod_dl_src:${r.pick(MACS.slice(0, 2))}`,
    () => `mod_dl_dst:${r.pick(MACS.slice(0, 2))}`,
    () => `set_field:00:00:00:00:00:0${r.below(9)}/00:00:00:00:00:ff->eth_dst`,
    () => `move:${r.pick(COPIES)}`,
    () => `move:${r.pick(COPIES)}`,
    () => resubmit(r, '', table),
    () => resubmit(r, '', table),
    () => resubmit(r, String(r.pick([1, 2, 3])), table),
    () => 'strip_vlan',
    () => `mod_vlan_vid:${r.pick([5, 6, 7])}`,
    () => `mod_vlan_pcp:${r.below(8)}`,
    () => `push_vlan:${r.pick(['0x8100', '0x88a8'])},set_field:${4096 + r.pick([5, 9])}->vlan_vid`,
    () => 'note:01.02',
    () => `push:${r.pick(SUBFIELDS)}`,
    () => `pop:${r.pick(SUBFIELDS)}`,
    () => `output:NXM_NX_REG${r.below(3)}[]`,
    () => `output(port=${port(r)},max_len=${r.pick([64, 100])})`,
    () => `set_field:${r.below(3)}->pkt_mark`,
    () => `enqueue:${r.pick([1, 2])}:${r.below(2)}`,
    () => `set_queue:${r.below(3)}`,
    () => 'pop_queue',
    () => r.pick(['controller', 'controller(reason=no_match,max_len=100,id=7)', 'CONTROLLER:99']),
    () =>
      r.pick(['controller(userdata=01.02.03)', 'controller(pause)', 'controller(userdata=,pause)']),
    () => `bundle(eth_src,0,active_backup,ofport,members:${port(r)},${port(r)})`,
    () =>
      `bundle_load(${r.pick(['eth_src', 'symmetric_l4', 'nw_src'])},0,hrw,ofport,NXM_NX_REG1[0..15],members:1,2,3)`,
    () => `bundle_load(eth_src,0,active_backup,ofport,NXM_NX_REG1[0..15],members:77,2)`,
    () =>
      `multipath(${r.pick(['eth_src', 'symmetric_l4', 'symmetric_l3l4', 'symmetric_l3l4+udp', 'nw_dst', 'symmetric_l3'])},50,${r.pick(['modulo_n', 'hash_threshold', 'hrw', 'iter_hash'])},4,0,NXM_NX_REG${r.below(3)}[0..3])`,
    () => 'exit',
    () => `group:${1 + r.below(N_GROUPS)}`,
    () => 'ct_clear',
    () => r.pick(LEARNS),
    () => randomLearn(r, p),
    ...Array.from({ length: 6 }, () => () => randomFieldAction(r, p)),
    ...rare(r),
    () => r.pick(TUNNEL_SETS),
    () => r.pick(TUNNEL_SETS),
    () =>
      `check_pkt_larger(${r.pick([100, 1500])})->${r.pick(['NXM_NX_REG0[0]', 'NXM_NX_REG0[1]', 'NXM_NX_REG0[2]', 'metadata[0]', 'xxreg2[4]'])}`,
    () =>
      `sample(probability=${r.pick([100, 65535])},collector_set_id=1,obs_domain_id=2,obs_point_id=3)`,
    () => r.pick(['debug_recirc', 'debug_slow', 'note:ff']),
    () => `push_mpls:0x8847`,
    () => 'encap(nsh(md_type=1)),set_field:5->nsh_spi,encap(ethernet)',
    () =>
      r.pick([
        'encap(nsh(md_type=2,tlv(0x1000,10,0x12345678)))',
        'encap(mpls)',
        'encap(ethernet)',
        'decap()',
      ]),
    ...(p.network === 'none' ? [] : byNetwork(r, p, table)),
  ];
}

/** Forms that few flows have. */
function rare(r: Random): (() => string)[] {
  return [
    () => `set_vlan_vid:${r.below(4096)}`,
    () => `set_vlan_pcp:${r.below(8)}`,
    () => 'pop_vlan',
    () => `delete_field:tun_metadata${r.below(2)}`,
    () => `output(port=${port(r)},max_len=0xffffffff)`,
    () => `controller(meter_id=${r.below(3)},reason=invalid_ttl,id=3)`,
    () =>
      `sample(probability=${1 + r.below(65535)},collector_set_id=${r.below(3)},sampling_port=${port(r)}${r.pick(['', ',ingress', ',egress'])})`,
    () => r.pick(['encap(mpls_mc)', 'encap(nsh)', 'encap(nsh(md_type=1)),encap(ethernet)']),
    () => `decap(packet_type(ns=${r.below(2)},type=${r.pick([0, 0x800, 0x894f])}))`,
  ];
}

function tracking(r: Random, p: Protocol, table: number): string {
  const next = laterTable(r, table) ?? 9;
  return `ct(${r.pick([
    'commit',
    'commit,zone=5',
    `table=${next}`,
    `table=${next},zone=3,nat`,
    `commit,table=${next},zone=NXM_NX_REG0[0..15]`,
    ...(p.network === 'ip'
      ? [`commit,table=${next},nat(src=10.0.0.240-10.0.0.250:1000-2000)`]
      : []),
    'commit,exec(load:1->NXM_NX_CT_MARK[])',
    'commit,force,exec(set_field:0x5/0xff->ct_label,move:NXM_NX_REG0[]->NXM_NX_CT_MARK[])',
    ...(p.network === 'ip' ? ['commit,nat(dst=10.0.0.240,random)'] : []),
    'commit,alg=ftp',
  ])})`;
}

/** Actions on headers that the flow's match says are there. */
function byNetwork(r: Random, p: Protocol, table: number): (() => string)[] {
  const all: (() => string)[] = [];
  if (p.network === 'ip' || p.network === 'ipv6') {
    all.push(
      () => r.pick(['dec_ttl', 'dec_ttl(1,2)']),
      () => `mod_nw_tos:${r.pick([8, 16])}`,
      () => `set_field:${r.below(3)}->nw_ttl`,
      () => `mod_nw_ecn:${r.below(4)}`,
      () => tracking(r, p, table),
      () => tracking(r, p, table),
      () => resubmit(r, '', table, ',ct'),
    );
  }
  switch (p.network) {
    case 'ip':
      all.push(
        () => `mod_nw_src:10.0.0.${1 + r.below(3)}`,
        () => `mod_nw_dst:10.0.0.${1 + r.below(3)}`,
        () => `load:${hex(0x0a000001)}->NXM_OF_IP_DST[]`,
        () => 'move:NXM_OF_IP_SRC[0..7]->NXM_OF_IP_DST[0..7]',
        () => 'set_field:10.0.0.0/255.255.0.0->ip_src',
      );
      break;
    case 'ipv6':
      all.push(
        () => `set_field:fe80::${1 + r.below(3)}->ipv6_dst`,
        () => 'set_field:::5/::ff->ipv6_src',
        () => `set_field:${hex(r.below(9))}->ipv6_label`,
        () => 'move:NXM_NX_IPV6_SRC[]->NXM_NX_IPV6_DST[]',
      );
      break;
    case 'arp':
      all.push(
        () => `load:${r.pick([1, 2])}->NXM_OF_ARP_OP[]`,
        () => 'move:NXM_NX_ARP_SHA[]->NXM_NX_ARP_THA[]',
        () => 'set_field:10.0.0.3->arp_tpa',
      );
      break;
    case 'mpls':
      all.push(
        () => `set_field:${r.below(9)}->mpls_label`,
        () => `set_field:${r.below(8)}->mpls_tc`,
        () => `set_mpls_ttl:${r.pick([1, 64])}`,
        () => 'dec_mpls_ttl',
        () => `pop_mpls:${r.pick(['0x0800', '0x8847', '0x86dd'])}`,
        () => 'decap(),decap(packet_type(ns=0,type=0))',
      );
      break;
    case 'nsh':
      all.push(
        () => 'dec_nsh_ttl',
        () => `set_field:${r.below(9)}->nsh_spi`,
        () => `set_field:${r.below(9)}->nsh_si`,
        () => 'set_field:0x3/0xf->nsh_c1',
        () => 'decap(),decap()',
      );
  }
  if (p.l4 === 'tcp' || p.l4 === 'udp') {
    all.push(
      () => `mod_tp_dst:${r.pick([2, 80])}`,
      () => `mod_tp_src:${r.pick([1, 99])}`,
      () => `set_field:${r.pick([1, 99])}->${p.l4}_dst`,
    );
  }
  if (p.network === 'mpls') {
    all.push(
      () => `set_mpls_label:${r.below(9)}`,
      () => `set_mpls_tc:${r.below(8)}`,
    );
  }
  if (p.network === 'ip' || p.network === 'ipv6') all.push(() => `mod_nw_ttl:${r.pick([1, 9])}`);
  if (p.network === 'ipv6') {
    all.push(() => `ct(commit,nat(${r.pick(['src', 'dst'])}=[fe80::5]-[fe80::9]:5-9))`);
  }
  if (p.l4 === 'sctp') all.push(() => `set_field:9->sctp_src`);
  if (p.word === 'tcp')
    all.push(() => r.pick(['fin_timeout(idle_timeout=5)', 'fin_timeout(hard_timeout=9)']));
  if (p.l4 === 'icmp') all.push(() => 'set_field:3->icmp_type');
  if (p.l4 === 'icmp6') all.push(() => 'set_field:129->icmpv6_type');
  return all;
}

function action(r: Random, p: Protocol, table: number, depth: number): string {
  const choices = common(r, p, table);
  // Half of them are what the flow's own protocol has.
  if (p.network !== 'none' && r.chance(35)) return r.pick(byNetwork(r, p, table))();
  if (depth < 2) choices.push(() => `clone(${list(r, p, table, depth + 1).join(',')})`);
  return r.pick(choices)();
}

function list(r: Random, p: Protocol, table: number, depth: number): string[] {
  return Array.from({ length: 1 + r.below(depth === 0 ? 5 : 3) }, () => action(r, p, table, depth));
}

/** What an action set may hold. */
function setMember(r: Random, p: Protocol): string {
  const choices = [
    `output:${port(r)}`,
    `output:${port(r)}`,
    `set_field:${hex(r.below(4))}->reg1`,
    'set_field:00:00:00:00:00:07->eth_src',
    `group:${1 + r.below(N_GROUPS)}`,
    'pop_vlan',
    'push_vlan:0x8100',
    'push_mpls:0x8847',
    'set_queue:3',
    'set_field:9->tun_id',
  ];
  if (p.network === 'ip') choices.push('dec_ttl', 'set_field:10.0.0.9->ip_dst');
  return r.pick(choices);
}

/** Instructions of a flow in `table`. */
export function randomInstructions(r: Random, p: Protocol, table: number): string {
  if (r.chance(5)) return 'drop';
  const out: string[] = [];
  if (r.chance(5)) out.push(`meter:${1 + r.below(2)}`);
  if (r.chance(90)) out.push(...list(r, p, table, 0));
  if (r.chance(5)) out.push('clear_actions');
  if (r.chance(12)) {
    out.push(`write_actions(${[setMember(r, p), setMember(r, p), setMember(r, p)].join(',')})`);
  }
  if (r.chance(8)) out.push(`write_metadata:${hex(r.below(4))}`);
  const later = laterTable(r, table);
  if (later !== undefined && r.chance(20)) out.push(`goto_table:${later}`);
  return out.length === 0 ? 'drop' : out.join(',');
}

export function randomTable(r: Random): number {
  return r.pick([0, 0, 0, ...TABLES]);
}

/** Groups 1 to 9, for `ovs-ofctl -O OpenFlow15 add-group`. */
export const GROUP_LINES = [
  'group_id=1,type=all,bucket=bucket_id:0,actions=output:1,bucket=bucket_id:1,actions=set_field:0x1->reg1,output:3',
  'group_id=2,type=indirect,bucket=bucket_id:0,actions=set_field:00:00:00:00:00:05->eth_dst,output:2',
  'group_id=3,type=ff,bucket=bucket_id:0,watch_port:2,actions=output:2,bucket=bucket_id:1,watch_port:3,actions=output:3',
  'group_id=4,type=ff,bucket=bucket_id:7,watch_port:77,actions=output:2,bucket=bucket_id:8,watch_group:3,actions=output:3',
  'group_id=5,type=select,selection_method=hash,fields(eth_src,ip_src=255.255.0.0,ipv6_dst,tcp_dst,vlan_vid),bucket=bucket_id:0,weight:1,actions=output:1,bucket=bucket_id:1,weight:9,actions=output:2,bucket=bucket_id:2,weight:0,actions=output:3',
  'group_id=6,type=select,bucket=bucket_id:0,weight:10,actions=output:1,bucket=bucket_id:4,weight:20,actions=output:2',
  'group_id=7,type=select,selection_method=dp_hash,selection_method_param=0x3,bucket=bucket_id:0,weight:10,actions=output:1,bucket=bucket_id:1,weight:5,actions=output:2',
  'group_id=8,type=select,selection_method=hash,bucket=bucket_id:0,weight:1,watch_port:77,actions=output:1,bucket=bucket_id:1,weight:2,actions=mod_dl_src:00:00:00:00:00:08,resubmit(,9),bucket=bucket_id:2,weight:3,actions=group:1',
  'group_id=9,type=all,bucket=bucket_id:0,actions=dec_ttl,push_vlan:0x8100,output:1,bucket=bucket_id:1,actions=pop_vlan,output:2',
];

/** To where no flow leads on, so that nothing grows beyond any bound. */
const IN_BUCKETS = [
  'resubmit(,10)',
  'resubmit(,10)',
  'ct(commit,zone=3)',
  'ct(table=10,zone=3)',
  'ct(commit,nat(src=10.0.0.77))',
  'learn(table=9,cookie=7,limit=2,delete_learned,NXM_OF_ETH_SRC[],output:NXM_OF_IN_PORT[])',
  'clone(mod_dl_src:50:54:00:00:00:07,resubmit(,10)),output:2',
  'meter:2',
];

/** Whether it can be one; what random fields are set to need not fit. */
function isGroup(line: string): boolean {
  try {
    parseGroupLine(line);
    return true;
  } catch (error) {
    if (error instanceof HeddleError) return false;
    throw error;
  }
}

/** Groups 10 to 12, whose buckets do what flows do but for going to further tables. */
export function randomGroupLines(r: Random): string[] {
  const ids = Array.from({ length: N_GROUPS - FIRST_RANDOM_GROUP + 1 }, (_, i) => i);
  return ids.map((i) => {
    const type = r.pick(['all', 'all', 'indirect', 'ff', 'select']);
    const how = type === 'select' ? ',selection_method=hash' : '';
    const count = type === 'indirect' ? 1 : 1 + r.below(3);
    const buckets = Array.from({ length: count }, (_, n) => {
      const watch = type === 'ff' ? `,watch_port:${r.pick([1, 2, 3, 77])}` : '';
      const weight = type === 'select' ? `,weight:${r.below(4)}` : '';
      const chosen = list(r, ANY, TABLES.at(-1)!, 1).filter((a) => !a.includes('debug_'));
      if (r.chance(35)) chosen.push(r.pick(IN_BUCKETS));
      const actions = chosen.length > 0 ? chosen.join(',') : 'drop';
      // Groups of groups end there.
      const safe = actions.replaceAll(/group:\d+/g, () => `group:${1 + r.below(3)}`);
      return `bucket=bucket_id:${n}${weight}${watch},actions=${safe}`;
    });
    const id = `group_id=${FIRST_RANDOM_GROUP + i}`;
    const line = `${id},type=${type}${how},${buckets.join(',')}`;
    return isGroup(line) ? line : `${id},type=all`;
  });
}

/** Actions for a packet of any type. */
export function randomActionList(r: Random): string {
  return list(r, ANY, r.pick(TABLES), 0).join(',');
}
