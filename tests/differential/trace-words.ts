/** Random words for ofproto/trace and ofproto/trace-packet-out: flows, packets, options, actions. */

import { formatOdpFlow } from '@heddle/datapath';
import { type Random, randomFrame } from '@heddle/datapath/oracle/random-frame';
import { extractFlow, toHex } from '@heddle/packet';
import { randomFlowText } from '@heddle/vswitch/oracle/random-match';
import { damaged, randomFlow } from './odp-texts.ts';

/** Flows through which words make a difference: what is learned, tracked, looked at, sent up. */
export const FLOWS = [
  'priority=29,arp,actions=learn(table=2,priority=5,eth_dst=eth_src,output:in_port),NORMAL',
  'priority=28,tcp,tp_dst=1,actions=mod_tp_dst:81,resubmit(,1)',
  'priority=27,udp,nw_frag=no,actions=ct(table=1)',
  'priority=26,icmp,actions=controller(max_len=64),output:2',
  'priority=25,ipv6,actions=dec_ttl,resubmit(,1)',
  'priority=24,dl_vlan=5,actions=strip_vlan,output:2',
  'priority=23,mpls,actions=pop_mpls:0x0800,output:2',
  'priority=22,in_port=2,actions=resubmit(,2)',
  'priority=0,actions=NORMAL',
  'table=1,priority=21,ct_state=+new+trk,ip,actions=ct(commit),output:2',
  'table=1,priority=20,ct_state=+est+trk,ip,actions=output:2',
  'table=1,priority=19,ipv6,nw_ttl=1,actions=drop',
  'table=1,priority=18,actions=mod_dl_src:50:54:00:00:00:0a,in_port,output:2',
  'table=2,priority=0,actions=output:1',
];

const ACTIONS = [
  ...['output:2', 'output:1,output:2', 'NORMAL', 'resubmit(,1)', 'output:IN_PORT'],
  ...['mod_nw_ttl:3,output:2', 'set_field:5->nw_ttl,2', 'FLOOD'],
  ...['push_vlan:0x8100,set_field:4099->vlan_vid,2', 'controller', 'enqueue:2:1', 'output:99'],
  ...['set_field:1->tcp_dst,2', 'load:7->NXM_NX_REG0[],resubmit(,2)', 'strip_vlan,2', 'group:5'],
  ...['dec_ttl,2', 'push_mpls:0x8847,2', 'goto_table:1', 'clone(2),1', 'nosuch', 'meter:1,2'],
];

function packet(r: Random): string {
  const text = toHex(randomFrame(r, r.below(1000)));
  const at = r.below(text.length);
  switch (r.below(20)) {
    case 0:
      return text.slice(0, at);
    case 1:
      return `${text.slice(0, at)} ${text.slice(at)}`;
    case 2:
      return text.toUpperCase();
    case 3:
      return `${text.slice(0, at)}${r.pick(['x', '0', ',', '-', '\n'])}${text.slice(at)}`;
    default:
      return text;
  }
}

/** One in the words of the datapath or of OpenFlow, and where it comes in. */
function flow(r: Random): string[] {
  const kind = r.below(100);
  if (kind < 45) return ['br0', randomFlowText(r).replace(/in_port=[34]/, 'in_port=1')];
  const text =
    kind < 75
      ? randomFlow(r, r.chance(30))
      : formatOdpFlow(extractFlow(randomFrame(r, r.below(1000)), { inPort: 1 }));
  const where = r.pick([[], [], ['ovs-dummy'], ['dummy'], ['br0'], ['system@ovs-system']]);
  return [...where, where.length === 0 && r.chance(25) ? damaged(r, text) : text];
}

function option(r: Random): string[] {
  return r.pick([
    ['-generate'],
    ['--generate'],
    ['-generate'],
    ['--l7', r.pick(['hello', '', '-x', '48656c6c6f', '48 6', ' 4a 4B'])],
    ['--l7-len', r.pick(['5', '0', '70000', 'x', '-1'])],
    ['--ct-next', r.pick(['trk,new', 'trk,est', 'new', 'trk|est', '', 'x'])],
  ]);
}

/**
 * The tuple of a connection is of the flow's headers, not of another packet's; ids of recirculations
 * are either's own.
 */
const LEFT_OUT = /,ct_(nw_src|nw_proto|tp_dst)=[^,]*|(ct_tuple[46]|recirc_id)\([^)]*\),?/g;

/** Its ids are either's own, as is the order of a flood and in which order tables are looked up. */
export function comparable(answer: string): string {
  return answer
    .replaceAll(/recirc(_id=|\()(0x)?[0-9a-f]+/g, 'recirc$1N')
    .replaceAll(/^Megaflow: .*$/gm, '')
    .replaceAll(/^Datapath actions: [\d,]+$/gm, (line) => [...line].sort().join(''));
}

export function randomTrace(r: Random): string[] {
  const words = flow(r).map((word) => word.replaceAll(LEFT_OUT, ''));
  if (r.chance(45)) words.push(packet(r));
  if (r.chance(35)) words.splice(r.below(words.length + 1), 0, ...option(r));
  if (r.chance(5)) words.splice(r.below(words.length), 1);
  if (r.chance(3)) words.splice(r.below(words.length), 0, words[r.below(words.length)] ?? 'x');
  if (r.chance(55)) return ['ofproto/trace', ...words];
  const actions = r.chance(90) ? [r.pick(ACTIONS)] : [];
  const head = r.pick([[], ['-consistent'], ['--consistent']]);
  return ['ofproto/trace-packet-out', ...head, ...words, ...actions];
}
