/** Matches in the text of flows, `KEY[=VALUE]` by `KEY[=VALUE]` (ovs-ofctl(8), "Flow Syntax"). */
import {
  ETH_P_ARP,
  ETH_P_IP,
  ETH_P_IPV6,
  ETH_P_MPLS_MC,
  ETH_P_MPLS_UC,
  ETH_P_RARP,
  type Field,
  fieldByName,
  IPPROTO_ICMP,
  IPPROTO_ICMPV6,
  IPPROTO_SCTP,
  IPPROTO_TCP,
  IPPROTO_UDP,
  VLAN_CFI,
} from '@heddle/packet';
import { HeddleError } from '@heddle/runtime';
import type { Match, TunMetadataMatch } from '../match.ts';
import { fieldPlan } from './field-plan.ts';
import { type FieldText, parseFieldText } from './field-text.ts';
import {
  fromBytes,
  implyEthernet,
  isFieldWild,
  readFieldBytes,
  setMatchFieldBytes,
  tunMetadataIndex,
} from './match-field.ts';
import { setFieldQuick } from './match-quick.ts';
import type { PortNames } from './ofp-port.ts';
import {
  fieldProtocols,
  OFPUTIL_P_ANY,
  OFPUTIL_P_NXM_OXM_ANY,
  type Protocols,
} from './protocols.ts';

/** `ip`, `tcp6` and so on: the fields that a protocol's name stands for. */
export const PROTOCOLS: ReadonlyMap<string, readonly [dlType: number, nwProto?: number]> = new Map<
  string,
  readonly [dlType: number, nwProto?: number]
>([
  ['ip', [ETH_P_IP]],
  ['ipv4', [ETH_P_IP]],
  ['ip4', [ETH_P_IP]],
  ['icmp', [ETH_P_IP, IPPROTO_ICMP]],
  ['tcp', [ETH_P_IP, IPPROTO_TCP]],
  ['udp', [ETH_P_IP, IPPROTO_UDP]],
  ['sctp', [ETH_P_IP, IPPROTO_SCTP]],
  ['arp', [ETH_P_ARP]],
  ['rarp', [ETH_P_RARP]],
  ['ipv6', [ETH_P_IPV6]],
  ['ip6', [ETH_P_IPV6]],
  ['icmp6', [ETH_P_IPV6, IPPROTO_ICMPV6]],
  ['tcp6', [ETH_P_IPV6, IPPROTO_TCP]],
  ['udp6', [ETH_P_IPV6, IPPROTO_UDP]],
  ['sctp6', [ETH_P_IPV6, IPPROTO_SCTP]],
  ['mpls', [ETH_P_MPLS_UC]],
  ['mplsm', [ETH_P_MPLS_MC]],
]);

/**
 * Adds what `key` and `value` say (no value: ''). Returns which protocols can carry it, undefined
 * when no field or protocol has that name. Errors are `VALUE: reason`.
 */
export function parseMatchField(
  match: Match,
  key: string,
  value: string,
  names?: PortNames,
): Protocols | undefined {
  if (key === 'eth') {
    implyEthernet(match);
    return OFPUTIL_P_ANY;
  }
  const protocol = PROTOCOLS.get(key);
  if (protocol) {
    match.key.dlType = protocol[0];
    match.mask.dlType = 0xffff;
    implyEthernet(match);
    if (protocol[1] !== undefined) {
      match.key.nwProto = protocol[1];
      match.mask.nwProto = 0xff;
    }
    return OFPUTIL_P_ANY;
  }
  if (key === 'dl_vlan') return parseDlVlan(match, value);
  if (key === 'dl_vlan_pcp') return parseDlVlanPcp(match, value);
  const field = fieldByName(key);
  return field && setField(match, field, value, names);
}

function setField(match: Match, field: Field, text: string, names?: PortNames): Protocols {
  if (fieldPlan(field).mode === 'none') {
    parseTunMetadata(match, field, text);
    return OFPUTIL_P_NXM_OXM_ANY;
  }
  if (field.name === 'ipv6_label') {
    const label = parseFieldText(field, text);
    if (label.value[0] !== 0 || label.value[1]! > 0xf) {
      throw new HeddleError(`${text}: value too large for 20-bit field ipv6_label`);
    }
    return setMatchText(match, field, label);
  }
  if (!isOtherFamily(match, field)) {
    const protocols = setFieldQuick(match, field, text);
    if (protocols !== undefined) return protocols;
  }
  return setMatchText(match, field, parseFieldText(field, text, names));
}

/**
 * Sets the bits of `mask`, those of the field that the match has before stay. Returns which
 * protocols can carry it: none that only part of a field which is matched whole or not at all.
 */
export function mergeMatchBits(match: Match, field: Field, { value, mask }: FieldText): Protocols {
  const plan = fieldPlan(field);
  if (plan.mode === 'none') {
    addTunMetadata(match, field, { value, mask });
    return OFPUTIL_P_NXM_OXM_ANY;
  }
  const bits = Uint8Array.from(mask);
  if (!isFieldWild(match, plan)) {
    const before = new Uint8Array(plan.size);
    const beforeMask = new Uint8Array(plan.size);
    readFieldBytes(match.key, plan, before, 0);
    readFieldBytes(match.mask, plan, beforeMask, 0, true);
    for (let i = 0; i < bits.length; i++) {
      value[i]! |= before[i]! & ~mask[i]!;
      bits[i]! |= beforeMask[i]!;
    }
  }
  if (field.masking === 'none' && bits.some((b) => b !== 0xff)) return 0;
  return setMatchText(match, field, { value, mask: bits });
}

/** A mask of zeros leaves the match as it is. */
function setMatchText(match: Match, field: Field, { value, mask }: FieldText): Protocols {
  if (mask.every((b) => b === 0)) return OFPUTIL_P_ANY;
  if (isOtherFamily(match, field)) return fieldProtocols(field, mask);
  const exact = mask.every((b) => b === 0xff);
  setMatchFieldBytes(match, fieldPlan(field), value, 0, exact ? undefined : mask);
  return fieldProtocols(field, mask);
}

/** IPv4's and IPv6's addresses share their place: those of the wrong family would be lost anyway. */
function isOtherFamily({ key }: Match, field: Field): boolean {
  const type = key.dlType;
  if (field.name === 'ip_src' || field.name === 'ip_dst') return type === ETH_P_IPV6;
  if (field.name !== 'ipv6_src' && field.name !== 'ipv6_dst') return false;
  return type !== 0 && type !== ETH_P_IPV6;
}

/** A VLAN id, or 0xffff for untagged. */
function parseDlVlan(match: Match, text: string): Protocols {
  const vid = parseVlanNumber('dl_vlan', 16, text);
  if (vid === undefined) return OFPUTIL_P_ANY;
  const { key, mask } = match;
  implyEthernet(match);
  if (vid === 0xffff) {
    key.vlanTci0 = 0;
    mask.vlanTci0 = 0xffff;
  } else {
    key.vlanTci0 = (key.vlanTci0 & 0xe000) | VLAN_CFI | (vid & 0xfff);
    mask.vlanTci0 |= 0x1fff;
  }
  return OFPUTIL_P_ANY;
}

function parseDlVlanPcp(match: Match, text: string): Protocols {
  const pcp = parseVlanNumber('dl_vlan_pcp', 8, text);
  if (pcp !== undefined) {
    setMatchFieldBytes(match, fieldPlan(fieldByName('vlan_pcp')!), Uint8Array.of(pcp & 7), 0);
  }
  return OFPUTIL_P_ANY;
}

function parseVlanNumber(name: string, width: number, text: string): number | undefined {
  const field: Field = { name, width, format: 'decimal', masking: 'none' };
  const { value, mask } = parseFieldText(field, text);
  return mask[0] === 0 ? undefined : Number(fromBytes(value, 0, value.length));
}

function parseTunMetadata(match: Match, field: Field, text: string): void {
  refuseSecond(match, field);
  addTunMetadata(match, field, parseFieldText(field, text));
}

function refuseSecond({ tunMetadata }: Match, field: Field): void {
  if (tunMetadata.some((t) => t.index === tunMetadataIndex(field))) {
    throw new HeddleError(`field ${field.name} set multiple times`);
  }
}

/** As many bytes as the number has. */
function addTunMetadata(match: Match, field: Field, { value, mask }: FieldText): void {
  refuseSecond(match, field);
  const exact = mask.every((b) => b === 0xff);
  const first = (exact ? value : mask).findIndex((b) => b !== 0);
  const from = first >= 0 ? first : value.length;
  const whole = exact ? { isExact: true as const } : {};
  (match.tunMetadata as TunMetadataMatch[]).push({
    index: tunMetadataIndex(field),
    value: value.slice(from),
    mask: mask.slice(from),
    ...whole,
  });
}
