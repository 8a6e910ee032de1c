/** Flows of `ofproto/trace` in text, beside Open vSwitch. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { oracleInstalled } from '@heddle/datapath/oracle/reference-daemons';
import { messageOf } from '@heddle/runtime';
import { SwitchOracle } from '../oracle/switch-oracle.ts';
import { parseOpenFlowFlow } from './flow-parse.ts';
import { formatOpenFlowFlow } from './flow-text.ts';

const FLOWS = [
  'in_port=1',
  'in_port=p1',
  'in_port=LOCAL',
  'in_port=controller',
  'in_port=ANY',
  'in_port=nosuch',
  'in_port',
  'dl_src=00:00:00:00:00:01',
  'in_port=1 dl_src=1:2:3:4:5:6',
  'in_port=1,dl_src=1:2:3:4:5:6/ff:ff:ff:ff:ff:ff',
  'in_port=1,dl_src=zz',
  'in_port=1,in_port=2',
  'in_port=1,dl_vlan=3,dl_vlan=4',
  'in_port=1,foo=1',
  'in_port=1,constructor',
  'in_port=1,ip,ip_frag=constructor',
  'in_port=1,priority=3',
  'in_port=1,dl_vlan=5',
  'in_port=1,dl_vlan=5000',
  'in_port=1,dl_vlan=0xffff',
  'in_port=1,dl_vlan=5,dl_vlan_pcp=2,tcp6,tcp_flags=0x12',
  'in_port=1,vlan_tci=0x1005,dl_type=5',
  'in_port=1,vlan_vid=0x1005',
  'in_port=1,vlan_vid=7',
  'in_port=1,vlan_pcp=3',
  'in_port=1,dl_type=zz',
  'in_port=1,dl_type=0x1234',
  'in_port=1,eth_type=0x800,ip_dscp=3',
  'in_port=1,ip,nw_proto=89,nw_frag=later',
  'in_port=1,ip,nw_proto=6,tcp_src=3',
  'in_port=1,ip,nw_frag=bogus',
  'in_port=1,ip,nw_src=1.2.3.4,nw_dst=5.6.7.8,nw_ttl=9',
  'in_port=1,ip,nw_src=1.2.3.4/24',
  'nw_src=1.2.3.4',
  'tcp_dst=80',
  'in_port=1,udp_src=3,udp',
  'in_port=1,udp,udp_src=3,tp_dst=4',
  'in_port=1,tcp,tp_src=99999',
  'in_port=1,tcp,nw_tos=3',
  'in_port=1,tcp,nw_tos=4,nw_ecn=7',
  'in_port=1,tcp,tcp_flags=ack',
  'in_port=1,tcp,tcp_flags=syn|ack',
  'in_port=1,tcp,tcp_flags=bogus',
  'in_port=1,sctp,sctp_src=3',
  'in_port=1,icmp,icmp_type=8,icmp_code=3',
  'in_port=1,icmp,icmp_type=8,icmp_code=300',
  'in_port=1,ipv6,ipv6_src=zz',
  'in_port=1,ipv6,ipv6_src=fe80::1,ipv6_dst=::2,ipv6_label=0x12345',
  'in_port=1,icmp6,icmpv6_type=135,nd_target=fe80::9,nd_sll=00:01:02:03:04:05',
  'in_port=1,arp,arp_op=2,arp_spa=1.2.3.4,arp_tpa=4.3.2.1,arp_sha=1:1:1:1:1:1',
  'in_port=1,arp,arp_op=70000',
  'in_port=1,rarp,arp_op=3',
  'in_port=LOCAL,pkt_mark=4,icmp6',
  'in_port=1,pkt_mark=zz',
  'in_port=1,reg0:5',
  'in_port=1,reg0(5)',
  'in_port=UNSET',
  'in_port="p1"',
  'in_port_oxm=1',
  'in_port_oxm=LOCAL',
  'in_port_oxm=70000',
  'in_port=1,in_port_oxm=2',
  'in_port=',
  'in_port=1,dl_type=0x1/0x1',
  'in_port=1,dl_type=1/0',
  'in_port=1,dl_type=-1',
  'in_port=1,dl_type=0x',
  'in_port=1,vlan_tci=0x1000/0x1000',
  'in_port=1,dl_vlan=5/',
  'in_port=1,dl_vlan=5,vlan_vid=5',
  'in_port=1,dl_src=*',
  'in_port=1,ip,nw_dst=10.0.0.1/33',
  'in_port=1,ip,nw_dst=10.0.0.1/32',
  'in_port=1,ip,nw_proto=1/1',
  'in_port=1,ip,ip_frag=yes',
  'in_port=1,ip,ip_frag=NO',
  'in_port=1,tcp,tcp_flags=+syn',
  'in_port=1,tcp,tcp_flags=2/2',
  'in_port=1,tcp,tp_dst=80/0xff',
  'in_port=1,tcp,nw_proto=17',
  'in_port=1,ip,dl_type=0x800',
  'in_port=1,tcp,udp',
  'in_port=1,ip,nw_src=1.2.3.4,ip_src=1.2.3.5',
  'in_port=1,reg0=0,reg0=1',
  'in_port=1,reg0=1,xreg0=5',
  'in_port=1,reg0',
  'in_port=1,ct_state=+trk',
  'in_port=1,ct_state=trk',
  'in_port=1,ct_state=trk,ip,ct_nw_src=1.2.3.4',
  'in_port=1,ct_state=trk|new,tcp,ct_nw_proto=6,ct_tp_src=3',
  'in_port=1,packet_type=(0,0)',
  'in_port=1,packet_type=(2,0)',
  'in_port=1,packet_type=0',
  'in_port=1,packet_type=(1)',
  'in_port=1,packet_type=(1,0x8847),mpls_label=4',
  'in_port=1,packet_type=(1,0x800),dl_src=00:00:00:00:00:01',
  'in_port=1,conj_id=1',
  'in_port=1,actset_output=p1',
  'in_port=1,actset_output=65536',
  'in_port=1,ip=1',
  'in_port=1,metadata=5,pkt_mark=0x5/0x7',
];

it('reads and writes flows as Open vSwitch does', { skip: !oracleInstalled() }, async () => {
  using oracle = new SwitchOracle();
  const words = ['add-br', 'br0', '--', 'set', 'Bridge', 'br0', 'datapath_type=dummy'];
  words.push('--', 'add-port', 'br0', 'p1', '--', 'set', 'Interface', 'p1', 'type=dummy');
  oracle.vsctl(...words);
  const differ: string[] = [];
  for (const text of FLOWS) {
    const reply = await oracle.appctl('ofproto/trace', 'br0', text);
    const theirs = reply.split('\n')[0];
    let mine: string;
    try {
      const { flow, ofport } = parseOpenFlowFlow(text, (n) => (n === 'p1' ? 1 : undefined));
      mine = `Flow: ${formatOpenFlowFlow(flow, ofport)}`;
    } catch (error) {
      mine = `Bad openflow flow syntax: ${messageOf(error)}`;
    }
    if (mine !== theirs) differ.push(`${mine}\n${theirs}\n`);
  }
  assert.deepEqual(differ, []);
});
