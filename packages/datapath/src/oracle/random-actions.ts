/** Random action lists, in text, that suit a packet. */
import { type Flow, formatIpv4, formatIpv6, formatMac } from '@heddle/packet';
import { networkGroup, transportGroup } from '../odp-fields.ts';
import type { Random } from './random-frame.ts';

function member(r: Random, name: string, value: () => string): string[] {
  return r.chance(50) ? [`${name}=${value()}`] : [];
}

function mac(r: Random): string {
  return formatMac(r.below(2 ** 47));
}

// Values have no bits outside of their masks: Open vSwitch does not clear them.
function ipv4(r: Random): string {
  const mask = r.below(2 ** 32);
  const value = r.below(2 ** 32);
  if (!r.chance(25)) return formatIpv4(value);
  return `${formatIpv4((value & mask) >>> 0)}/${formatIpv4(mask)}`;
}

function small(r: Random, full: number): string {
  const mask = 1 + r.below(full);
  const value = r.below(full + 1);
  return r.chance(25) ? `${value & mask}/0x${mask.toString(16)}` : String(value);
}

function ipv6(r: Random): string {
  return formatIpv6(r.bytes(16));
}

function network(r: Random, flow: Flow): [string, string[]] | undefined {
  const group = networkGroup(flow.dlType);
  // In the userspace datapath Open vSwitch takes a later fragment's payload for a header and
  // rewrites what is not ARP for IPv4; its kernel module does neither, and no more do we.
  if ((flow.nwFrag & 2) !== 0 || (group === 'arp' && flow.nwSrc === 0)) return undefined;
  switch (group) {
    case 'ipv4':
      return [
        group,
        [
          ...member(r, 'src', () => ipv4(r)),
          ...member(r, 'dst', () => ipv4(r)),
          ...member(r, 'tos', () => small(r, 255)),
          ...member(r, 'ttl', () => small(r, 255)),
        ],
      ];
    case 'ipv6':
      return [
        group,
        [
          ...member(r, 'src', () => ipv6(r)),
          ...member(r, 'dst', () => ipv6(r)),
          ...member(r, 'label', () => String(r.below(2 ** 20))),
          ...member(r, 'tclass', () => small(r, 255)),
          ...member(r, 'hlimit', () => small(r, 255)),
        ],
      ];
    case 'arp':
      return [
        group,
        [
          ...member(r, 'sip', () => ipv4(r)),
          ...member(r, 'tip', () => ipv4(r)),
          ...member(r, 'op', () => String(1 + r.below(200))),
          ...member(r, 'sha', () => mac(r)),
          ...member(r, 'tha', () => mac(r)),
        ],
      ];
    default:
      return undefined;
  }
}

function transport(r: Random, flow: Flow): [string, string[]] | undefined {
  const ip = flow.dlType === 0x0800 || flow.dlType === 0x86dd;
  if (!ip || (flow.nwFrag & 2) !== 0) return undefined;
  const group = transportGroup(flow.dlType, flow.nwProto);
  if (group === undefined || group === 'icmp' || group === 'icmpv6') return undefined;
  return [
    group,
    [...member(r, 'src', () => small(r, 65535)), ...member(r, 'dst', () => small(r, 65535))],
  ];
}

const MAX_NESTING = 3;

/** A list that ends with an output to port 2; the source address of the frame stays. */
export function randomActions(r: Random, flow: Flow, rewriteNetwork: boolean, nesting = 0): string {
  const nested = (): string => randomActions(r, flow, rewriteNetwork, nesting + 1);
  const actions: string[] = [];
  const set = (group: [string, string[]] | undefined): void => {
    if (group !== undefined && group[1].length > 0) actions.push(`set(${group[0]}(${group[1]}))`);
  };
  for (let n = r.below(4); n >= 0; n--) {
    switch (r.below(nesting < MAX_NESTING ? 8 : 5)) {
      case 0:
        set(['eth', [`dst=${mac(r)}`]]);
        break;
      case 1:
        if (rewriteNetwork) set(network(r, flow));
        break;
      case 2:
        set(transport(r, flow));
        break;
      case 3:
        actions.push(`push_vlan(vid=${r.below(4096)},pcp=${r.below(8)})`);
        break;
      case 4:
        actions.push('pop_vlan');
        break;
      case 5:
        actions.push(`clone(${nested()})`);
        break;
      case 6: {
        const [greater, lessEqual] = [nested(), r.chance(25) ? 'drop' : nested()];
        actions.push(`check_pkt_len(size=${r.below(160)},gt(${greater}),le(${lessEqual}))`);
        break;
      }
      default:
        actions.push(r.chance(50) ? '2' : `trunc(${20 + r.below(100)}),2`);
    }
  }
  // A nested list at the end is for the packet itself.
  if (nesting === 0 && actions.at(-1)?.endsWith('))') && r.chance(50)) return actions.join(',');
  return [...actions, '2'].join(',');
}
