/** `tunnel(...)` in flows and in `set`, as `ovs-dpctl` writes it. */
import {
  type Erspan,
  erspanOf,
  FLOW_TNL_F_CSUM,
  FLOW_TNL_F_DONT_FRAGMENT,
  FLOW_TNL_F_KEY,
  FLOW_TNL_F_OAM,
  type Flow,
  formatIpv4,
  formatIpv6,
  toHex,
  tunnelOptions,
} from '@heddle/packet';

const FLAGS: readonly (readonly [bit: number, name: string])[] = [
  [FLOW_TNL_F_DONT_FRAGMENT, 'df'],
  [FLOW_TNL_F_CSUM, 'csum'],
  [FLOW_TNL_F_KEY, 'key'],
  [FLOW_TNL_F_OAM, 'oam'],
];
const ALL_FLAGS = 0xffff;
const U64 = (1n << 64n) - 1n;

/**
 * The members that a tunnel has; wildcarded ones only when `all`. A member that is zero and
 * optional (`src`, `tos`, ports) is not there, nor is the id of a tunnel without a key.
 */
export function formatTunnel(key: Flow, mask: Flow | undefined, all: boolean): string {
  const parts: string[] = [];
  const member = (name: string, value: string, bits: string, m: 'full' | 'some' | 'none'): void => {
    if (m === 'full') parts.push(`${name}=${value}`);
    else if (m === 'some' || all) parts.push(`${name}=${value}/${bits}`);
  };
  const number = (name: string, v: number, m: number, full: number, hex = false): void => {
    const text = hex ? `0x${v.toString(16)}` : String(v);
    member(name, text, hexOr0(m), m === full ? 'full' : m === 0 ? 'none' : 'some');
  };
  if (key.tunFlags & FLOW_TNL_F_KEY) {
    const m = mask?.tunId ?? U64;
    const bits = m === 0n ? '0' : `0x${m.toString(16)}`;
    member('tun_id', `0x${key.tunId.toString(16)}`, bits, m === U64 ? 'full' : m ? 'some' : 'none');
  }
  formatAddresses(key, mask, member);
  if (key.tunTos !== 0) number('tos', key.tunTos, mask?.tunTos ?? 0xff, 0xff, true);
  number('ttl', key.tunTtl, mask?.tunTtl ?? 0xff, 0xff);
  if (key.tunTpSrc !== 0) number('tp_src', key.tunTpSrc, mask?.tunTpSrc ?? 0xffff, 0xffff);
  if (key.tunTpDst !== 0) number('tp_dst', key.tunTpDst, mask?.tunTpDst ?? 0xffff, 0xffff);
  if (key.tunGbpId !== 0 || key.tunGbpFlags !== 0) {
    const flags = key.tunGbpFlags === 0 ? '0' : `0x${key.tunGbpFlags.toString(16)}`;
    if (all || !mask || mask.tunGbpId || mask.tunGbpFlags) {
      parts.push(`vxlan(gbp(id=${key.tunGbpId},flags=${flags}))`);
    }
  }
  const options = mask === undefined || mask.tunOptsLen !== 0 || all;
  if (key.tunOptsLen !== 0 && options) parts.push(`geneve(${formatOptions(key)})`);
  const erspan = erspanOf(key);
  if (erspan && options) parts.push(`erspan(${formatErspan(erspan)})`);
  const flags = formatFlags(key.tunFlags, mask?.tunFlags ?? ALL_FLAGS);
  if (flags !== '') parts.push(`flags(${flags})`);
  return parts.join(',');
}

/** Of a hardware id's 6 bits upstream's text has the lower ones. */
function formatErspan({ ver, idx, dir, hwid }: Erspan): string {
  const more = ver === 1 ? `idx=${hexOr0(idx)}` : `dir=${dir},hwid=${hexOr0(hwid & 0xf)}`;
  return `ver=${ver},${more}`;
}

function formatAddresses(
  key: Flow,
  mask: Flow | undefined,
  member: (name: string, value: string, bits: string, m: 'full' | 'some' | 'none') => void,
): void {
  for (const [name, field] of [
    ['src', 'tunSrc'],
    ['dst', 'tunDst'],
  ] as const) {
    const m = mask?.[field] ?? 0xffff_ffff;
    if (key[field] === 0) continue;
    const kind = m === 0xffff_ffff ? 'full' : m === 0 ? 'none' : 'some';
    member(name, formatIpv4(key[field]), formatIpv4(m), kind);
  }
  for (const [name, field] of [
    ['ipv6_src', 'tunIpv6Src'],
    ['ipv6_dst', 'tunIpv6Dst'],
  ] as const) {
    const m = mask?.[field];
    if (key[field].every((b) => b === 0)) continue;
    const full = m === undefined || m.every((b) => b === 0xff);
    const kind = full ? 'full' : m.every((b) => b === 0) ? 'none' : 'some';
    member(name, formatIpv6(key[field]), m ? formatIpv6(m) : '', kind);
  }
}

function hexOr0(v: number): string {
  return v === 0 ? '0' : `0x${v.toString(16)}`;
}

/** `df|key` when all are looked at, else `-df-csum+key`; a key that is not there goes unsaid. */
function formatFlags(flags: number, mask: number): string {
  if (mask === ALL_FLAGS) {
    const names = FLAGS.filter(([bit]) => flags & bit).map(([, name]) => name);
    return names.join('|') || '0';
  }
  return FLAGS.filter(([bit]) => mask & bit)
    .filter(([bit]) => bit !== FLOW_TNL_F_KEY || flags & bit)
    .map(([bit, name]) => (flags & bit ? '+' : '-') + name)
    .join('');
}

/** `{class=0x102,type=0x80,len=4,0x10002}` each. */
function formatOptions(key: Flow): string {
  const bytes = tunnelOptions(key);
  let text = '';
  for (let at = 0; at + 4 <= bytes.length; ) {
    const length = (bytes[at + 3]! & 0x1f) * 4;
    const cls = (bytes[at]! << 8) | bytes[at + 1]!;
    const type = bytes[at + 2]!;
    text += `{class=${hexOr0(cls)},type=${hexOr0(type)},len=${length}`;
    const end = Math.min(at + 4 + length, bytes.length);
    if (length > 0) text += `,0x${toHex(bytes.subarray(at + 4, end)).replace(/^0+(?=.)/, '')}`;
    text += '}';
    at += 4 + length;
  }
  return text;
}
