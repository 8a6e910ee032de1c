/** Flows that would have matched but for a field or two. */
import { formatMatch, Match } from '@heddle/openflow';
import {
  ETH_P_ARP,
  ETH_P_IP,
  ETH_P_IPV6,
  Flow,
  IPPROTO_ICMP,
  IPPROTO_ICMPV6,
  IPPROTO_SCTP,
  IPPROTO_TCP,
  IPPROTO_UDP,
  KEY_SLOTS,
  kindSize,
  VLAN_CFI,
} from '@heddle/packet';
import type { FlowTable } from '../ofproto/flow-table.ts';
import type { Rule } from '../ofproto/rule.ts';

export interface Difference {
  readonly field: string;
  readonly wants: string;
  readonly has: string;
  /** Accessor of `Flow`. */
  readonly slot: string;
}

export interface NearMiss {
  readonly rule: Rule;
  readonly differences: readonly Difference[];
}

export interface NearMissLimits {
  readonly rules: number;
  readonly fields: number;
  /** Only flows above this priority. */
  readonly above: number;
}

interface Slot {
  readonly name: string;
  readonly start: number;
  readonly end: number;
}

/** One per place in the key, by its first name. */
const SLOTS: readonly Slot[] = [...KEY_SLOTS]
  .filter(
    ([name, { offset }], i, all) => all.findIndex(([, s]) => s.offset === offset) === i && name,
  )
  .map(([name, { offset, kind }]) => ({ name, start: offset, end: offset + kindSize(kind) }));

/** The flows of the highest priorities first, and of those the nearest. */
export function nearMisses(table: FlowTable, flow: Flow, limits: NearMissLimits): NearMiss[] {
  const found: { rule: Rule; slots: Slot[] }[] = [];
  const slotsOf = new Map<Flow, readonly Slot[]>();
  const key = new Flow();
  for (const rule of table.classifier.rules()) {
    const { subtable } = rule;
    if (!subtable || rule.priority <= limits.above || rule.conjunctions.length > 0) continue;
    const worst = found.at(-1);
    if (found.length === limits.rules && worst && rule.priority < worst.rule.priority) continue;
    const { mask } = subtable;
    let slots = slotsOf.get(mask);
    if (!slots) {
      slots = SLOTS.filter(({ start, end }) => mask.u8.subarray(start, end).some((b) => b !== 0));
      slotsOf.set(mask, slots);
    }
    subtable.keyOf(rule, key);
    const differing = differingSlots(slots, key, mask, flow, limits.fields);
    if (differing === undefined || differing.length === 0) continue;
    if (!areComparable(differing, key, flow)) continue;
    found.push({ rule, slots: differing });
    found.sort((a, b) => b.rule.priority - a.rule.priority || a.slots.length - b.slots.length);
    if (found.length > limits.rules) found.pop();
  }
  return found.map(({ rule, slots }) => ({
    rule,
    differences: slots.map((slot) => difference(rule, flow, slot)),
  }));
}

/** In a packet of another type, and above IP of another protocol, fields mean something else. */
function areComparable(differing: readonly Slot[], wanted: Flow, flow: Flow): boolean {
  const differs = (name: string) => differing.some((slot) => slot.name === name);
  if (differs('dlType')) return differing.length === 1;
  const isOfL4 = differs('tpSrc') || differs('tpDst') || differs('tcpFlags');
  return !isOfL4 || !differs('nwProto') || (hasPorts(wanted) && hasPorts(flow));
}

function hasPorts({ nwProto }: Flow): boolean {
  return nwProto === IPPROTO_TCP || nwProto === IPPROTO_UDP || nwProto === IPPROTO_SCTP;
}

/** undefined: more than `most`. */
function differingSlots(
  slots: readonly Slot[],
  key: Flow,
  mask: Flow,
  flow: Flow,
  most: number,
): Slot[] | undefined {
  const out: Slot[] = [];
  for (const slot of slots) {
    for (let i = slot.start; i < slot.end; i++) {
      if (((key.u8[i]! ^ flow.u8[i]!) & mask.u8[i]!) === 0) continue;
      out.push(slot);
      break;
    }
    if (out.length > most) return undefined;
  }
  return out;
}

function difference(rule: Rule, flow: Flow, slot: Slot): Difference {
  const { key, mask } = rule.match;
  if (slot.name === 'dlType') {
    const [wants, has] = [typeText(key.dlType), typeText(flow.dlType)];
    return { field: 'dl_type', wants, has, slot: slot.name };
  }
  if (slot.name === 'nwProto') {
    const [wants, has] = [protocolText(key.nwProto), protocolText(flow.nwProto)];
    return { field: 'nw_proto', wants, has, slot: slot.name };
  }
  const wanted = slotText(key, mask, slot, flow);
  const whole = new Flow();
  whole.u8.fill(0xff, slot.start, slot.end);
  const exact = slot.name === 'inPort' || slot.name === 'vlanTci0' ? mask : whole;
  const isUntagged = slot.name === 'vlanTci0' && (flow.vlanTci0 & VLAN_CFI) === 0;
  const have = isUntagged ? 'no tag' : slotText(flow, exact, slot, flow);
  const [field = slot.name] = wanted.split('=');
  const value = (text: string) =>
    text.startsWith(`${field}=`) ? text.slice(field.length + 1) : text === '' ? 'none' : text;
  return { field, wants: value(wanted), has: value(have), slot: slot.name };
}

/** What a match on this place alone says, after what the place is in. */
function slotText(key: Flow, mask: Flow, slot: Slot, packet: Flow): string {
  const context = (withSlot: boolean): string[] => {
    const [k, m] = [new Flow(), new Flow()];
    k.nwProto = packet.nwProto;
    m.nwProto = 0xff;
    k.dlType = packet.dlType;
    m.dlType = 0xffff;
    if (withSlot) {
      for (let i = slot.start; i < slot.end; i++) {
        k.u8[i] = key.u8[i]! & mask.u8[i]!;
        m.u8[i] = mask.u8[i]!;
      }
    }
    return formatMatch(new Match(k, m)).split(',');
  };
  const without = new Set(context(false));
  return context(true)
    .filter((word) => !without.has(word))
    .join(',');
}

function typeText(type: number): string {
  const known = { [ETH_P_IP]: 'ip', [ETH_P_ARP]: 'arp', [ETH_P_IPV6]: 'ipv6' }[type];
  const hex = `0x${type.toString(16).padStart(4, '0')}`;
  return known === undefined ? hex : `${hex} (${known})`;
}

const PROTOCOL_NAMES: Readonly<Record<number, string>> = {
  [IPPROTO_ICMP]: 'icmp',
  [IPPROTO_TCP]: 'tcp',
  [IPPROTO_UDP]: 'udp',
  [IPPROTO_ICMPV6]: 'icmp6',
  [IPPROTO_SCTP]: 'sctp',
};

function protocolText(protocol: number): string {
  const name = PROTOCOL_NAMES[protocol];
  return name === undefined ? String(protocol) : `${protocol} (${name})`;
}

/** The near miss's match as it would have to be for this packet: differing places take its values. */
export function adapted({ rule, differences }: NearMiss, flow: Flow): Match {
  const { key, mask, tunMetadata } = rule.match;
  const [k, m] = [key.clone(), mask.clone()];
  for (const { slot } of differences) {
    const { start, end } = SLOTS.find((s) => s.name === slot)!;
    for (let i = start; i < end; i++) {
      // What was matched in part is matched whole: no wider than this packet asks for.
      if (slot !== 'inPort' && slot !== 'vlanTci0' && m.u8[i] !== 0) m.u8[i] = 0xff;
      k.u8[i] = flow.u8[i]! & m.u8[i]!;
    }
  }
  return new Match(k, m, tunMetadata);
}
