/** Flows and packets that were once treated otherwise than by Open vSwitch, as small as can be. */

export interface Regression {
  readonly flows: readonly string[];
  /** A flow of OpenFlow, as `ofproto/trace br0` takes it. */
  readonly packet: string;
}

/** What packets teach, as `ofproto/trace -generate` tells, with states for `--ct-next`. */
export const TAUGHT: readonly (Regression & { readonly states: readonly number[] })[] = [
  ...[
    'learn(table=9,priority=7,cookie=3,limit=1,eth_src,idle_timeout=7,hard_timeout=9,send_flow_rem)',
    'learn(table=9,cookie=3,limit=1,eth_src,result_dst=reg1[0])',
    'learn(table=9,ct_state=0x21,tun_flags=oam,load:1->reg0[])',
    'learn(table=9,ct_zone[2..8]=1,in_port[0..3]=1,eth_type=0x800,nw_ttl[0..2]=1)',
    'learn(table=9,limit=1,result_dst=reg1[0],dp_hash[6..31])',
    'learn(table=9,dp_hash[]=reg0[]),learn(table=254,reg0[]),learn(table=9,recirc_id)',
    'learn(table=9,tun_src[12..18],tun_ipv6_dst[90..100]=tun_ipv6_src[90..100],load:1->reg0[])',
  ].map((learn) => ({
    flows: [`table=0,priority=1 actions=${learn},load:5->eth_src[],${learn}`],
    packet: 'in_port=4,ip',
    states: [],
  })),
  // A packet that is told to be untracked belongs to no connection, until it is tracked again.
  ...['tcp,ct_nw_src=10.0.0.2', 'tcp6,ct_ipv6_src=::2'].map((packet) => ({
    flows: ['tcp', 'tcp6'].flatMap((type) => [
      `table=0,priority=1,${type} actions=ct(table=1)`,
      `table=1,priority=1,${type} actions=ct(table=2)`,
    ]),
    packet: `in_port=4,ct_state=0x21,ct_nw_proto=6,ct_tp_dst=1,${packet}`,
    states: [0, 0x20],
  })),
  // A limit holds for changes, too, not for what is as it would be.
  ...[
    ['', ''],
    ['idle_timeout=5', ''],
    ['send_flow_rem', ''],
    ['cookie=5', ''],
    ['cookie=5', 'cookie=5'],
    ['fin_idle_timeout=5', 'hard_timeout=3'],
    ['load:1->reg0[]', 'load:2->reg0[]'],
  ].flatMap(([first, second]) =>
    [1, 2].map((limit) => ({
      flows: [
        'table=9,priority=32768 actions=drop',
        `table=0,priority=1 actions=learn(table=9,limit=2,eth_src,${first}),learn(table=9,limit=${limit},eth_src,${second}),learn(table=9,limit=${limit},${first})`,
      ],
      packet: 'in_port=1,ip',
      states: [],
    })),
  ),
  // Loads that take two messages.
  {
    flows: [
      'table=0,priority=1 actions=learn(table=9,load:xxreg1[1..127]->xxreg0[1..127]),learn(table=9,load:xxreg1[0..63]->xxreg0[0..63])',
    ],
    packet: 'in_port=1,ip,reg4=0xffffffff,reg6=0x12345678,reg7=9',
    states: [],
  },
  {
    flows: [
      'table=0,priority=1,ip actions=ct(table=1)',
      'table=1,priority=1,ct_state=0,ip actions=learn(table=9,eth_src),ct(table=2)',
      'table=1,priority=1,ct_state=-trk,ip actions=output:1',
      'table=2,priority=1,ip actions=learn(table=9,eth_dst),resubmit(,9)',
      'table=9,priority=1 actions=output:2',
    ],
    packet: 'in_port=4,ip',
    states: [0, 0x22],
  },
  // What is learned is known at once, and of what has no Ethernet header nothing is.
  ...[
    'NORMAL,mod_dl_src:50:54:00:00:00:02,mod_dl_dst:50:54:00:00:00:01,NORMAL',
    'clone(NORMAL),NORMAL',
    'check_pkt_larger(100)->NXM_NX_REG0[0],NORMAL',
    'decap(),NORMAL',
    'encap(nsh),NORMAL',
  ].map((actions) => ({
    flows: [`table=0,priority=1 actions=${actions}`],
    packet: 'in_port=4,ip,dl_src=50:54:00:00:00:01',
    states: [],
  })),
];

const one = (actions: string, packet = 'in_port=4,ip'): Regression => ({
  flows: [`table=0,priority=1 actions=${actions}`],
  packet,
});
const MPLS = 'in_port=4,mpls,mpls_label=3';
const unlabelled = (rest: string, packet = `${MPLS},mpls_bos=1`): Regression => ({
  flows: [`table=0,priority=1,mpls actions=pop_mpls:0x0800,${rest}`],
  packet,
});
const branches = (longer: string, shorter: string): Regression => ({
  flows: [
    'table=0,priority=1 actions=resubmit(,1),output:1',
    'table=1,priority=1 actions=check_pkt_larger(100)->NXM_NX_REG0[0],resubmit(,2),output:3',
    `table=2,priority=1,reg0=1 actions=${longer}`,
    `table=2,priority=1,reg0=0 actions=${shorter}`,
  ],
  packet: 'in_port=4,ip',
});
const TUNNELLED = 'in_port=4,tun_src=192.168.0.2,tun_dst=192.168.0.1,ip';
const TUNNELLED_BY_IPV6 = 'in_port=4,tun_ipv6_src=fe80::2,tun_ipv6_dst=fe80::1,ip';
const TRACKED = 'in_port=LOCAL,ct_state=0x22,ct_nw_proto=6';

export const REGRESSIONS: readonly Regression[] = [
  // Tunnels' addresses of both families lie beside each other.
  ...[
    'move:tun_ipv6_src[6..126]->tun_ipv6_dst[6..126]',
    'move:tun_ipv6_dst[0..31]->tun_src[],move:tun_dst[]->tun_ipv6_src[96..127]',
    'set_field:fe80::5->tun_ipv6_dst,set_field:10.0.0.5->tun_dst,move:tun_dst[]->reg0[]',
    'set_field:10.0.0.0/255.0.255.0->tun_src,set_field:fe80::/ff80::8->tun_ipv6_src',
    'load:5->tun_ipv6_src[99..119],load:9->tun_dst[3..9],push:tun_ipv6_src[64..127],pop:xreg0',
  ].flatMap((actions) => [one(actions, TUNNELLED), one(actions, TUNNELLED_BY_IPV6), one(actions)]),
  {
    flows: [
      'table=0,priority=5,tun_ipv6_dst=::,tun_ipv6_src=::/0:ffff:: actions=resubmit(,1)',
      'table=1,priority=5,tun_dst=192.0.0.0/8,tun_src=192.168.0.0/255.255.0.255 actions=output:1',
      'table=1,priority=6,tun_dst=192.0.0.0/8,tun_ipv6_dst=fe80::/16 actions=output:2',
    ],
    packet: TUNNELLED,
  },
  // A copy that is resubmitted to what cannot be taken back.
  ...[
    'ct(commit,nat(src=10.0.0.77))',
    'ct(table=2,nat)',
    'ct_clear',
    'meter:1',
    'clone(ct_clear,output:1)',
    'push_vlan:0x8100,mod_dl_src:50:54:00:00:00:07,ct(commit),set_queue:3',
  ].flatMap((done) =>
    ['clone(resubmit(,1))', 'clone(output:1,clone(resubmit(,1)),mod_vlan_vid:7,output:1)'].map(
      (copy) => ({
        flows: [
          `table=0,priority=1,ip actions=mod_vlan_vid:5,${copy},output(port=2,max_len=99),output:1`,
          `table=1,priority=1,ip actions=${done},mod_vlan_vid:6,output:3`,
        ],
        packet: 'in_port=4,ip,ct_state=0x21',
      }),
    ),
  ),
  // Headers that come and go in the last copy, or behind it.
  one('group:1,clone(encap(nsh),encap(ethernet),output:3)'),
  one('clone(output:1),encap(nsh),encap(ethernet),output:3'),
  one('group:1,decap()'),
  {
    flows: ['table=0,priority=1,mpls actions=clone(output:1),pop_mpls:0x0800,dec_ttl,output:2'],
    packet: 'in_port=4,mpls,mpls_label=3,mpls_bos=1',
  },
  // A copy that recirculates ends the pipeline.
  one('clone(group:7),output:1,write_actions(output:4)'),
  one('clone(output:2,clone(group:7),output(port=1,max_len=100)),output:1'),
  {
    flows: [
      'table=0,priority=1 actions=resubmit(,1),clone(group:7),output:1',
      'table=1,priority=1 actions=output:2,write_actions(output:4)',
    ],
    packet: 'in_port=3,ip',
  },
  branches('exit', 'output:2'),
  branches('output:2', 'exit'),
  branches('output:2', 'group:7'),
  branches('group:7', 'output:2'),
  // Below a label that was popped.
  ...['enqueue:1:1', 'goto_table:3', 'write_metadata:1', 'group:9', 'group:5', 'group:8'].flatMap(
    (rest) => [unlabelled(rest), unlabelled(rest, MPLS)],
  ),
  unlabelled('output:1,dec_ttl', MPLS),
  ...['controller', 'controller(max_len=9)', 'controller(id=5)', 'controller(userdata=01)'].map(
    (rest) => unlabelled(rest, `${MPLS},mpls_bos=1`),
  ),
  // Labels that are rewritten and pushed upon at once.
  ...[
    'set_field:6->mpls_label,push_mpls:0x8847',
    'dec_mpls_ttl,push_mpls:0x8847,push_mpls:0x8847',
  ].map((rest) => ({
    flows: [`table=0,priority=1,mpls actions=${rest},output:2`],
    packet: `${MPLS},mpls_bos=1,mpls_ttl=9`,
  })),
  // Headers below a label that a copy has pushed.
  ...['set_field:::5/::ff->ipv6_src', 'dec_ttl', 'set_field:9->tcp_dst'].map((set) => ({
    flows: [
      'table=0,priority=1,tcp6 actions=clone(resubmit(,1)),output:2',
      `table=1,priority=1,tcp6 actions=${set},push_mpls:0x8847,output:3`,
    ],
    packet: 'in_port=4,tcp6,ipv6_src=fe80::1,nw_ttl=64,tcp_dst=1',
  })),
  // Action sets that buckets add to.
  {
    flows: [
      'table=0,priority=1 actions=resubmit(,1),group:8',
      'table=1,priority=1 actions=write_actions(set_field:1->reg0)',
      'table=9,priority=1 actions=write_actions(output:3)',
    ],
    packet: 'in_port=4,ip',
  },
  ...['group:8', 'write_actions(group:8)'].map((actions) => ({
    flows: [`table=0,priority=1 actions=${actions}`, 'table=9,priority=1 actions=controller'],
    packet: 'in_port=4,ip',
  })),
  // A tag that is written piece by piece.
  one('load:0x5->NXM_OF_VLAN_TCI[0..11],load:1->NXM_OF_VLAN_TCI[12..12],output:1'),
  one('load:0x5->NXM_OF_VLAN_TCI[0..11],push_vlan:0x88a8,output:1'),
  one('load:0x5->NXM_OF_VLAN_TCI[],NORMAL', 'in_port=4,ip,dl_vlan=3'),
  one('load:0->NXM_OF_IN_PORT[],output:4'),
  one('move:NXM_NX_REG0[0..11]->OXM_OF_VLAN_VID[0..11]'),
  ...['in_port=4,ip,reg0=7', 'in_port=4,ip,reg0=7,dl_vlan=5'].map((packet) =>
    one('push:NXM_NX_REG0[0..11],pop:OXM_OF_VLAN_VID[0..11],controller', packet),
  ),
  ...['load:0->NXM_OF_VLAN_TCI[12]', 'load:5->NXM_OF_VLAN_TCI[0..11]'].map((load) => ({
    flows: [
      `table=0,priority=1 actions=${load},resubmit(,1)`,
      'table=1,priority=1 actions=write_actions(pop_vlan,output:3)',
    ],
    packet: 'in_port=4,ip,dl_vlan=3,dl_vlan_pcp=3',
  })),
  // What is left of a flow when its headers go.
  one('decap(),write_actions(push_mpls:0x8847,group:6)', `${TRACKED},icmp`),
  one('decap(),write_actions(push_mpls:0x8847,group:6)', 'in_port=1,arp,arp_sha=01:00:5e:00:00:01'),
  ...['0,type=0', '1,type=0x800', '1,type=0x8847'].flatMap((type) =>
    ['mpls_label=0', 'mpls_bos=1'].map((label) =>
      one(`decap(),decap(packet_type(ns=${type})),controller`, `in_port=1,mpls,${label}`),
    ),
  ),
  one('decap(),decap()', 'in_port=1,dl_type=0x894f,nsh_mdtype=1,nsh_np=1'),
  one('encap(nsh(md_type=1)),push_vlan:0x8100,controller'),
  ...['push_vlan:0x8100,controller', 'controller,push_vlan:0x8100,controller'].flatMap((rest) =>
    ['encap(nsh)', 'encap(mpls)', 'decap()'].map((first) => one(`${first},${rest}`)),
  ),
  one('encap(mpls),controller,decap(packet_type(ns=0,type=0)),controller'),
  // A header that is added twice, written between the two and behind them.
  one('encap(nsh),encap(ethernet),set_field:1->nsh_si,output:1,set_field:2->nsh_si,output:3'),
  one('encap(nsh),set_field:3->nsh_si,encap(ethernet),mod_dl_src:50:54:00:00:00:03,output:1'),
  {
    flows: [
      'table=0,priority=1 actions=decap(),resubmit(,1)',
      'table=1,priority=1 actions=push_mpls:0x8847,controller',
    ],
    packet: 'in_port=1,dl_type=0x894f,nsh_mdtype=1,nsh_np=1,nsh_c2=7',
  },
  ...['in_port=1', 'in_port=1,mpls', 'in_port=1,mpls,mpls_bos=1'].map((packet) =>
    one('decap(packet_type(ns=1,type=0)),decap(packet_type(ns=1,type=0)),controller', packet),
  ),
  // A translation that fails when a copy has gone on its way.
  {
    flows: ['table=0,priority=1,ip actions=ct(table=1),encap(ethernet)'],
    packet: 'in_port=1,ip',
  },
  one('group:6,note:01.02'),
  one('decap(),decap(packet_type(ns=0,type=0)),encap(nsh(md_type=1)),controller', 'in_port=1,mpls'),
  // The output of the action set is a field.
  ...['output:2', 'output:2,group:1', 'output:2,output:3', 'set_field:1->reg0'].map((set) => ({
    flows: [
      `table=0,priority=1,actset_output=unset actions=write_actions(${set}),goto_table:1`,
      'table=1,priority=1,actset_output=2 actions=move:actset_output[]->reg1[],goto_table:2',
      'table=1,priority=1,actset_output=3 actions=clear_actions,goto_table:2',
      'table=1,priority=1,actset_output=unset actions=write_actions(output:4),goto_table:2',
      'table=2,priority=1,actset_output=unset actions=load:1->reg2[]',
      'table=2,priority=1,actset_output=2 actions=load:2->reg2[]',
      'table=2,priority=1,actset_output=4 actions=load:4->reg2[]',
    ],
    packet: 'in_port=1,ip',
  })),
  one('move:in_port_oxm[]->reg1[],output:4', 'in_port=LOCAL,ip'),
  // Ways to later tables are as deep as they like, groups are not.
  {
    flows: Array.from(
      { length: 90 },
      (_, i) => `table=${i},priority=1 actions=resubmit(,${i + 1})`,
    ),
    packet: 'in_port=1,ip',
  },
  {
    flows: [
      'table=0,priority=1 actions=goto_table:1',
      'table=1,priority=1 actions=group:1,resubmit(,1)',
    ],
    packet: 'in_port=2,ip',
  },
  {
    flows: [
      'table=0,priority=1 actions=encap(nsh(md_type=1)),goto_table:1',
      'table=1,priority=1 actions=mod_vlan_pcp:4',
    ],
    packet: 'in_port=4,ip',
  },
  one('encap(mpls_mc),NORMAL', 'in_port=4,dl_dst=01:80:c2:00:00:00,dl_vlan=5,ip'),
  one('encap(mpls),encap(mpls),encap(mpls),encap(mpls)', 'in_port=4,ip'),
  one('push_mpls:0x8847', 'in_port=4,dp_hash=5,ip'),
  {
    flows: ['table=0,priority=1,dl_vlan=5 actions=move:NXM_NX_REG0[0..11]->vlan_vid[]'],
    packet: 'in_port=4,dl_vlan=5,ip',
  },
  ...['ip', 'ipv6', 'arp', 'icmp,ct_nw_src=1.1.1.1', 'tcp6,ct_ipv6_src=::1'].map((type) =>
    one('encap(nsh),controller', `${TRACKED},${type}`),
  ),
  // What comes back has the state that tracking has found, which is forgotten once.
  ...['group:6,ct_clear', 'ct_clear,group:6,ct_clear'].map((actions) =>
    one(actions, 'in_port=4,ip,ct_state=0x21'),
  ),
  // Addresses of IPv6 on packets that turn out as IPv4 after all.
  ...['move:ipv6_src[]->ipv6_dst[]', 'push:ipv6_src[],pop:ipv6_dst[]'].map((rest) => ({
    flows: [
      `table=0,priority=1,ipv6 actions=resubmit(,1),${rest},output:1`,
      'table=1,priority=1 actions=group:6',
    ],
    packet: 'in_port=4,tcp6',
  })),
  // The ways of a packet part behind an interruption: what is left of all its flows belongs to both.
  ...['push_mpls:0x8847', 'mod_vlan_vid:5,output:3', 'resubmit(,1),output:3'].flatMap((rest) =>
    ['', ',output:1', ',check_pkt_larger(200)->NXM_NX_REG0[1]'].map((more) => ({
      flows: [
        `table=0,priority=1 actions=resubmit(,1),${rest}`,
        `table=1,priority=1 actions=group:6,check_pkt_larger(100)->NXM_NX_REG0[0]${more}`,
      ],
      packet: 'in_port=4,udp6',
    })),
  ),
];
