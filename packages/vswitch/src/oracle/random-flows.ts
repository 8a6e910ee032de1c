/** Random flow tables, as lines for `ovs-ofctl add-flow`. */
import type { Random } from '@heddle/datapath/oracle/random-frame';

export const N_PORTS = 4;
const MACS = ['50:54:00:00:00:01', '50:54:00:00:00:02', 'ff:ff:ff:ff:ff:ff', '01:00:5e:00:00:01'];
const IPS = ['10.0.0.1', '10.0.0.2', '10.0.1.0/24', '10.0.0.0/8', '192.168.0.1'];
const TABLES = [0, 1, 2, 3, 9];

interface Protocol {
  readonly words: string;
  readonly type: 'none' | 'ip' | 'ipv6' | 'arp';
  readonly l4: '' | 'tcp' | 'udp' | 'icmp';
}

const PROTOCOLS: readonly Protocol[] = [
  { words: '', type: 'none', l4: '' },
  { words: '', type: 'none', l4: '' },
  { words: 'ip', type: 'ip', l4: '' },
  { words: 'ip', type: 'ip', l4: '' },
  { words: 'tcp', type: 'ip', l4: 'tcp' },
  { words: 'tcp', type: 'ip', l4: 'tcp' },
  { words: 'udp', type: 'ip', l4: 'udp' },
  { words: 'icmp', type: 'ip', l4: 'icmp' },
  { words: 'ipv6', type: 'ipv6', l4: '' },
  { words: 'tcp6', type: 'ipv6', l4: 'tcp' },
  { words: 'arp', type: 'arp', l4: '' },
];

const hex = (n: number): string => `0x${n.toString(16)}`;

function fields(r: Random, p: Protocol): string[] {
  const out: string[] = p.words === '' ? [] : [p.words];
  const maybe = (percent: number, make: () => string): void => {
    if (r.chance(percent)) out.push(make());
  };
  maybe(40, () => `in_port=${r.pick([1, 2, 3, 4, 'LOCAL'])}`);
  maybe(15, () => `dl_src=${r.pick(MACS)}`);
  maybe(15, () => `dl_dst=${r.pick([...MACS, '01:00:00:00:00:00/01:00:00:00:00:00'])}`);
  maybe(15, () =>
    r.pick(['vlan_tci=0', 'dl_vlan=5', 'vlan_tci=0x1000/0x1000', 'dl_vlan=6,dl_vlan_pcp=3']),
  );
  maybe(15, () => `reg${r.below(3)}=${hex(r.below(3))}`);
  maybe(5, () => `reg0=0x1/0x1`);
  maybe(8, () => `metadata=${hex(r.below(3))}`);
  maybe(4, () => `pkt_mark=${r.below(2)}`);
  if (p.type === 'ip') {
    maybe(30, () => `nw_src=${r.pick(IPS)}`);
    maybe(30, () => `nw_dst=${r.pick(IPS)}`);
    maybe(6, () => `nw_ttl=${r.pick([1, 64])}`);
    maybe(6, () => `nw_tos=${r.pick([0, 8])}`);
    maybe(5, () => `ip_frag=${r.pick(['no', 'yes', 'first', 'later', 'not_later'])}`);
    maybe(8, () => `ct_state=${r.pick(['-trk', '+trk', '+trk+new', '+est'])}`);
  }
  if (p.type === 'ipv6') maybe(30, () => `ipv6_dst=${r.pick(['fe80::2', 'fe80::/16', '::1'])}`);
  if (p.type === 'arp') maybe(40, () => `arp_op=${r.pick([1, 2])}`);
  if (p.l4 === 'tcp' || p.l4 === 'udp') {
    maybe(30, () => `tp_dst=${r.pick(['2', '80', '0x2/0xfffe', '0x40/0xffc0'])}`);
    maybe(10, () => `tp_src=${r.pick(['1', '1000'])}`);
  }
  if (p.words === 'tcp') maybe(10, () => `tcp_flags=${r.pick(['+syn', '+ack', '-fin'])}`);
  if (p.l4 === 'icmp') maybe(30, () => `icmp_type=${r.pick([0, 8])}`);
  return out;
}

function port(r: Random): string {
  return String(r.pick([1, 2, 3, 4, 4, 77]));
}

function laterTable(r: Random, table: number): number | undefined {
  const later = TABLES.filter((t) => t > table);
  return later.length === 0 ? undefined : r.pick(later);
}

/** Never backwards: loops grow beyond any bound. */
function resubmit(r: Random, from: string, table: number): string {
  const to = laterTable(r, table);
  return to === undefined ? 'note:03' : `resubmit(${from},${to})`;
}

/** Actions that any list may hold. */
function action(r: Random, p: Protocol, table: number, depth: number): string {
  const choices: (() => string)[] = [
    () => `output:${port(r)}`,
    () => `output:${port(r)}`,
    () => `output:${port(r)}`,
    () => r.pick(['NORMAL', 'FLOOD', 'ALL', 'IN_PORT', 'LOCAL']),
    () => `load:${hex(r.below(4))}->NXM_NX_REG${r.below(3)}[${r.pick(['', '0..7', '4..5'])}]`,
    () => `set_field:${hex(r.below(4))}->reg${r.below(3)}`,
    () => `set_field:${hex(r.below(4))}/0x3->metadata`,
    () => `mod_dl_src:${r.pick(MACS.slice(0, 2))}`,
    () => `mod_dl_dst:${r.pick(MACS.slice(0, 2))}`,
    () => `set_field:00:00:00:00:00:0${r.below(9)}/00:00:00:00:00:ff->eth_dst`,
    () =>
      `move:${r.pick(['NXM_OF_ETH_SRC[]->NXM_OF_ETH_DST[]', 'NXM_OF_IN_PORT[]->NXM_NX_REG1[0..15]', 'NXM_NX_REG0[0..7]->NXM_NX_REG1[8..15]', 'NXM_NX_REG1[0..15]->NXM_NX_REG2[16..31]'])}`,
    () => resubmit(r, '', table),
    () => resubmit(r, String(r.pick([1, 2, 3])), table),
    () => 'strip_vlan',
    () => `mod_vlan_vid:${r.pick([5, 6, 7])}`,
    () => `mod_vlan_pcp:${r.below(8)}`,
    () => `push_vlan:${r.pick(['0x8100', '0x88a8'])},set_field:${4096 + r.pick([5, 9])}->vlan_vid`,
    () => 'note:01.02',
    () => `push:NXM_NX_REG${r.below(3)}[]`,
    () => `pop:NXM_NX_REG${r.below(3)}[]`,
    () => `output:NXM_NX_REG${r.below(3)}[]`,
    () => `output(port=${port(r)},max_len=${r.pick([64, 100])})`,
    () => `set_field:${r.below(3)}->pkt_mark`,
    () => `enqueue:${r.pick([1, 2])}:${r.below(2)}`,
    () => `set_queue:${r.below(3)}`,
    () => 'pop_queue',
    () => r.pick(['controller', 'controller(reason=no_match,max_len=100,id=7)', 'CONTROLLER:99']),
    () => `bundle(eth_src,0,active_backup,ofport,members:${port(r)},${port(r)})`,
    () => 'exit',
    () => `group:${r.pick([1, 2, 3])}`,
    () => 'ct_clear',
    () =>
      'learn(table=9,hard_timeout=60,NXM_OF_VLAN_TCI[0..11],NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[],output:NXM_OF_IN_PORT[])',
    () =>
      'learn(table=9,idle_timeout=10,priority=5,cookie=0x9,in_port=2,load:3->NXM_NX_REG0[0..3])',
  ];
  if (depth < 2) choices.push(() => `clone(${list(r, p, table, depth + 1).join(',')})`);
  if (p.type === 'ip' || p.type === 'ipv6') {
    choices.push(
      () => 'dec_ttl',
      () => `mod_nw_tos:${r.pick([8, 16])}`,
      () => `set_field:${r.below(3)}->nw_ttl`,
      () => `mod_nw_ecn:${r.below(4)}`,
      () =>
        `ct(${r.pick(['commit', 'commit,zone=5', `table=${laterTable(r, table) ?? 9}`, `commit,table=${laterTable(r, table) ?? 9},zone=NXM_NX_REG0[0..15]`, 'commit,exec(load:1->NXM_NX_CT_MARK[])'])})`,
    );
  }
  if (p.type === 'ip') {
    choices.push(
      () => `mod_nw_src:10.0.0.${1 + r.below(3)}`,
      () => `mod_nw_dst:10.0.0.${1 + r.below(3)}`,
      () => `load:${hex(0x0a000001)}->NXM_OF_IP_DST[]`,
      () => 'move:NXM_OF_IP_SRC[0..7]->NXM_OF_IP_DST[0..7]',
    );
  }
  if (p.type === 'ipv6') choices.push(() => `set_field:fe80::${1 + r.below(3)}->ipv6_dst`);
  if (p.l4 === 'tcp' || p.l4 === 'udp') {
    choices.push(
      () => `mod_tp_dst:${r.pick([2, 80])}`,
      () => `mod_tp_src:${r.pick([1, 99])}`,
    );
  }
  if (p.l4 === 'tcp') choices.push(() => 'fin_timeout(idle_timeout=5)');
  if (p.type === 'arp') {
    choices.push(
      () => `load:${r.pick([1, 2])}->NXM_OF_ARP_OP[]`,
      () => 'move:NXM_NX_ARP_SHA[]->NXM_NX_ARP_THA[]',
    );
  }
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
    `group:${r.pick([1, 2, 3])}`,
    'pop_vlan',
  ];
  if (p.type === 'ip') choices.push('dec_ttl', 'set_field:10.0.0.9->ip_dst');
  return r.pick(choices);
}

function instructions(r: Random, p: Protocol, table: number): string {
  if (r.chance(5)) return 'drop';
  const out: string[] = [];
  if (r.chance(90)) out.push(...list(r, p, table, 0));
  if (r.chance(5)) out.push('clear_actions');
  if (r.chance(12)) {
    out.push(`write_actions(${[setMember(r, p), setMember(r, p)].join(',')})`);
  }
  if (r.chance(8)) out.push(`write_metadata:${hex(r.below(4))}`);
  const later = laterTable(r, table);
  if (later !== undefined && r.chance(20)) out.push(`goto_table:${later}`);
  return out.length === 0 ? 'drop' : out.join(',');
}

/** One flow for `ovs-ofctl -O OpenFlow13 add-flow`; it need not make sense to the switch. */
export function randomFlowLine(r: Random): string {
  const table = r.pick([0, 0, 0, ...TABLES]);
  const p = r.pick(PROTOCOLS);
  const match = [`table=${table}`, `priority=${1 + r.below(60_000)}`, ...fields(r, p)];
  if (r.chance(20)) match.push(`cookie=${hex(1 + r.below(9))}`);
  return `${match.join(',')} actions=${instructions(r, p, table)}`;
}

/** Groups 1 to 3, without buckets that a hash chooses. */
export const GROUP_LINES = [
  'group_id=1,type=all,bucket=output:1,bucket=set_field:0x1->reg1,output:3',
  'group_id=2,type=indirect,bucket=set_field:00:00:00:00:00:05->eth_dst,output:2',
  'group_id=3,type=ff,bucket=watch_port:2,output:2,bucket=watch_port:3,output:3',
];
