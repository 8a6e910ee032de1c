/**
 * How each field moves between the wire's big-endian bytes and its place in a `Flow`, without
 * bigints: most are copied byte by byte, the rest are numbers of at most 32 bits.
 */
import { FIELDS, type Field, type Flow, fieldSlot, kindSize } from '@heddle/packet';

export interface FieldPlan {
  readonly field: Field;
  /**
   * `copy`: network order; `reverse`: host order; `number`: `bits << shift` of a slot;
   * `none`: tun_metadata.
   */
  readonly mode: 'copy' | 'reverse' | 'number' | 'none';
  readonly offset: number;
  /** Bytes of the slot. */
  readonly slotSize: number;
  readonly hostOrder: boolean;
  readonly shift: number;
  readonly bits: number;
  /** Bits of a value that are allowed; undefined: all. */
  readonly legal: number | undefined;
  /** The mask of an exact match, as the wire would have it. */
  readonly exact: number;
  /** Bits of the mask that make the wire need none; undefined: it always has one. */
  readonly wireExact: number | undefined;
  /** Open vSwitch takes the value of these for the mask, too. */
  readonly valueIsMask: boolean;
  /** Bytes on the wire. */
  readonly size: number;
  /** Matching on it says that the packet is Ethernet unless packet_type says otherwise. */
  readonly impliesEthernet: boolean;
}

/** Fields that do not fill their slot: bits of the value, and those allowed on the wire. */
const NUMBERS: Readonly<Record<string, { bits: number; legal?: number; exact?: number }>> = {
  in_port: { bits: 0xffff },
  in_port_oxm: { bits: 0xffff },
  actset_output: { bits: 0xffff_ffff },
  ct_state: { bits: 0xff, legal: 0xff },
  tun_flags: { bits: 1, legal: 1 },
  vlan_vid: { bits: 0x1fff, legal: 0x1fff },
  vlan_pcp: { bits: 7, legal: 7 },
  mpls_label: { bits: 0xfffff, legal: 0xfffff },
  mpls_tc: { bits: 7, legal: 7 },
  mpls_bos: { bits: 1, legal: 1 },
  mpls_ttl: { bits: 0xff },
  nw_tos: { bits: 0xfc, legal: 0xfc },
  ip_dscp: { bits: 0x3f, legal: 0x3f },
  nw_ecn: { bits: 3, legal: 3 },
  ip_frag: { bits: 3, legal: 3 },
  ipv6_label: { bits: 0xffff_ffff, legal: 0xfffff, exact: 0xfffff },
  arp_op: { bits: 0xff, legal: 0xff },
  nsh_ttl: { bits: 0xff, legal: 0x3f },
  nsh_spi: { bits: 0xffffff, legal: 0xffffff },
  nsh_si: { bits: 0xff },
  tcp_flags: { bits: 0xffff, legal: 0xfff },
  // A type or code is the whole of a port's slot.
  icmp_type: { bits: 0xffff, legal: 0xff },
  icmp_code: { bits: 0xffff, legal: 0xff },
  icmpv6_type: { bits: 0xffff, legal: 0xff },
  icmpv6_code: { bits: 0xffff, legal: 0xff },
};

const VALUE_IS_MASK = new Set([
  'tun_erspan_ver',
  'tun_erspan_dir',
  'tun_erspan_hwid',
  'tun_gtpu_flags',
  'tun_gtpu_msgtype',
]);

/** Fields of which the wire has more bits than a switch knows. */
const ALWAYS_MASKED = new Set(['ct_state', 'tun_flags']);

const plans = new Map<Field, FieldPlan>(FIELDS.map((field) => [field, planOf(field)]));

function planOf(field: Field): FieldPlan {
  const slot = fieldSlot(field);
  const number = NUMBERS[field.name];
  const slotSize = slot === undefined ? 0 : kindSize(slot.kind);
  const hostOrder = (slot?.kind.startsWith('u') ?? false) && slotSize > 1;
  const mode = number ? 'number' : slot === undefined ? 'none' : hostOrder ? 'reverse' : 'copy';
  return {
    field,
    mode,
    offset: slot?.offset ?? 0,
    slotSize,
    hostOrder,
    shift: field.shift ?? 0,
    bits: number?.bits ?? 0,
    legal: number?.legal,
    exact: number?.exact ?? 0xffff_ffff,
    wireExact: ALWAYS_MASKED.has(field.name) ? undefined : (number?.exact ?? number?.bits),
    valueIsMask: VALUE_IS_MASK.has(field.name),
    size: field.width / 8,
    impliesEthernet: field.prerequisite !== undefined,
  };
}

export function fieldPlan(field: Field): FieldPlan {
  const plan = plans.get(field);
  if (plan === undefined) throw new Error(`${field.name} is no field of the table`);
  return plan;
}

/** The slot of a `number` field as a whole. */
export function readSlotNumber(flow: Flow, plan: FieldPlan): number {
  const { u8 } = flow;
  const o = plan.offset;
  if (plan.hostOrder) return plan.slotSize === 2 ? u8[o]! | (u8[o + 1]! << 8) : flow.u32[o >> 2]!;
  switch (plan.slotSize) {
    case 1:
      return u8[o]!;
    case 2:
      return (u8[o]! << 8) | u8[o + 1]!;
    default:
      return ((u8[o]! << 24) | (u8[o + 1]! << 16) | (u8[o + 2]! << 8) | u8[o + 3]!) >>> 0;
  }
}

export function writeSlotNumber(flow: Flow, plan: FieldPlan, v: number): void {
  const { u8 } = flow;
  const o = plan.offset;
  if (plan.hostOrder) {
    if (plan.slotSize === 4) flow.u32[o >> 2] = v;
    else {
      u8[o] = v;
      u8[o + 1] = v >>> 8;
    }
    return;
  }
  for (let i = plan.slotSize - 1, rest = v; i >= 0; i--, rest >>>= 8) u8[o + i] = rest;
}

/** Big-endian, at most 4 bytes. */
export function readNumber(bytes: Uint8Array, off: number, size: number): number {
  let v = 0;
  for (let i = 0; i < size; i++) v = v * 256 + bytes[off + i]!;
  return v;
}

export function writeNumber(bytes: Uint8Array, off: number, size: number, value: number): void {
  for (let i = size - 1, rest = value; i >= 0; i--, rest >>>= 8) bytes[off + i] = rest;
}
