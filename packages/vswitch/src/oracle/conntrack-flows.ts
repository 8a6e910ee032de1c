/** Flow tables that use `ct` and let the frames that they send out tell what tracking found. */

const STATE = [
  'move:NXM_NX_CT_STATE[0..15]->NXM_OF_ETH_DST[0..15]',
  'move:NXM_NX_CT_ZONE[]->NXM_OF_ETH_DST[16..31]',
  'move:NXM_NX_CT_MARK[]->NXM_OF_ETH_SRC[0..31]',
  'move:NXM_NX_CT_LABEL[0..15]->NXM_OF_ETH_SRC[32..47]',
  'move:NXM_NX_CT_LABEL[96..111]->NXM_OF_ETH_DST[32..47]',
  'output:3',
];
const V4 = [
  'move:NXM_NX_CT_NW_SRC[]->NXM_OF_ETH_DST[0..31]',
  'move:NXM_NX_CT_NW_DST[]->NXM_OF_ETH_SRC[0..31]',
];
const V6 = [
  'move:NXM_NX_CT_IPV6_SRC[0..31]->NXM_OF_ETH_DST[0..31]',
  'move:NXM_NX_CT_IPV6_DST[0..31]->NXM_OF_ETH_SRC[0..31]',
];
const PORTS = [
  'move:NXM_NX_CT_TP_SRC[]->NXM_OF_ETH_DST[32..47]',
  'move:NXM_NX_CT_TP_DST[]->NXM_OF_ETH_SRC[32..47]',
  'output:3',
];

export function tellState(
  table: number,
  priority: number,
  match: string,
  actions: string,
): string[] {
  const tail = actions === '' ? [] : [actions];
  const tuple = (v: string[], l4: boolean) => [...STATE, ...v, ...(l4 ? PORTS : ['output:3'])];
  return ['ip', 'ipv6'].flatMap((proto) => {
    const v = proto === 'ip' ? V4 : V6;
    const valid = `ct_state=+trk-inv${match}`;
    return [
      `table=${table},priority=${priority + 1},${valid},${proto} actions=${[...tuple(v, false), ...tail].join(',')}`,
      `table=${table},priority=${priority},ct_state=+trk${match},${proto} actions=${[...STATE, ...tail].join(',')}`,
    ];
  });
}

/** In: from port 1 `first`, from port 2 `second`; then `onNew` for what is new. */
function tables(first: string, second: string, onNew: string, onOther = ''): string[] {
  return [
    ...['ip', 'ipv6'].flatMap((p) => [
      `table=0,priority=10,in_port=1,${p} actions=${first}`,
      `table=0,priority=10,in_port=2,${p} actions=${second}`,
    ]),
    ...tellState(1, 20, '+new', onNew),
    ...tellState(1, 10, '-new', onOther),
  ];
}

const NAT4 = (body: string, rest: string): string[] => [
  `table=0,priority=10,in_port=1,ip actions=${body}`,
  `table=0,priority=10,in_port=2,ip actions=${rest}`,
  ...tellState(1, 10, '', ''),
];

export interface CtScenario {
  readonly name: string;
  readonly flows: readonly string[];
  /** Timeout policies by zone. */
  readonly timeouts?: Readonly<Record<number, Readonly<Record<string, number>>>>;
}

export const SCENARIOS: readonly CtScenario[] = [
  { name: 'commit', flows: tables('ct(table=1)', 'ct(table=1)', 'ct(commit)') },
  { name: 'one way', flows: tables('ct(commit,table=1)', 'ct(table=1)', '') },
  {
    name: 'zones, marks and labels',
    flows: tables(
      'ct(table=1,zone=7)',
      'ct(table=1,zone=NXM_NX_REG0[0..15])',
      'ct(commit,zone=7,exec(set_field:0x1234->ct_mark,set_field:0x50000000000000000000000000000777->ct_label))',
      'ct(commit,zone=7,exec(set_field:0x10000/0xff0000->ct_mark))',
    ),
  },
  {
    name: 'timeout policies',
    flows: [
      ...tables(
        'ct(table=1,zone=7)',
        'ct(table=1,zone=7)',
        'ct(commit,zone=7),ct(commit,zone=8),ct(commit,zone=9)',
      ),
      // Theirs leaves the protocol open, though it decides whether a policy holds.
      ...['ip', 'ipv6'].map((p) => `table=1,priority=90,${p},nw_proto=200 actions=drop`),
    ],
    timeouts: {
      7: { udp_first: 3, udp_single: 4, udp_multiple: 40, icmp_first: 1, tcp_syn_sent: 7 },
      8: { tcp_syn_sent: 0, udp_first: 100, icmp_reply: 5, tcp_unack: 9 },
    },
  },
  {
    name: 'two zones',
    flows: tables('ct(commit,zone=1,table=1)', 'ct(commit,zone=2),ct(table=1,zone=1)', ''),
  },
  { name: 'force', flows: tables('ct(commit,force,table=1)', 'ct(table=1)', 'ct(commit,force)') },
  {
    name: 'force from both',
    flows: tables('ct(commit,force,table=1)', 'ct(commit,force,table=1)', ''),
  },
  {
    name: 'clear',
    flows: tables('ct(commit),ct_clear,ct(table=1)', 'ct(table=1)', 'ct_clear,ct(commit,zone=3)'),
  },
  { name: 'snat', flows: NAT4('ct(commit,nat(src=10.9.0.1),table=1)', 'ct(nat,table=1)') },
  {
    name: 'snat port',
    flows: NAT4('ct(commit,nat(src=10.9.0.1:4000),table=1)', 'ct(nat,table=1)'),
  },
  { name: 'dnat', flows: NAT4('ct(commit,nat(dst=10.0.0.2),table=1)', 'ct(nat,table=1)') },
  { name: 'dnat port', flows: NAT4('ct(commit,nat(dst=10.0.0.2:80),table=1)', 'ct(nat,table=1)') },
];
