/** `tunnel(...)` in flows and in `set`, as `ovs-dpctl` writes it. */
import {
  type Erspan,
  erspanOf,
  FLOW_TNL_F_CSUM,
  FLOW_TNL_F_DONT_FRAGMENT,
  FLOW_TNL_F_KEY,
  FLOW_TNL_F_OAM,
  Flow,
  fillTunnel,
  formatIpv4,
  formatIpv6,
  isTunnelIpv6,
  parseIpv4,
  parseIpv6,
  putErspan,
  putTunnelOptions,
  TUN_OPTS_MAX,
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

function formatErspan({ ver, idx, dir, hwid }: Erspan): string {
  const more = ver === 1 ? `idx=${hexOr0(idx)}` : `dir=${dir},hwid=${hexOr0(hwid)}`;
  return `ver=${ver},${more}`;
}

function formatAddresses(
  key: Flow,
  mask: Flow | undefined,
  member: (name: string, value: string, bits: string, m: 'full' | 'some' | 'none') => void,
): void {
  if (!isTunnelIpv6(key)) {
    for (const [name, field] of [
      ['src', 'tunSrc'],
      ['dst', 'tunDst'],
    ] as const) {
      const m = mask?.[field] ?? 0xffff_ffff;
      if (key[field] === 0) continue;
      const kind = m === 0xffff_ffff ? 'full' : m === 0 ? 'none' : 'some';
      member(name, formatIpv4(key[field]), formatIpv4(m), kind);
    }
    return;
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

/** Why a `tunnel(...)` is none. */
export class TunnelTextError extends Error {}

/** `members` are the attributes within the parentheses. */
export function parseTunnel(body: string, key: Flow, mask: Flow): void {
  for (const [, name, value, nested] of body.matchAll(
    /([a-z0-9_]+)(?:=([^,()]*)|\(((?:[^()]|\((?:[^()]|\([^()]*\))*\))*)\))(?:,|$)/g,
  )) {
    if (value !== undefined) parseMember(name!, value, key, mask);
    else parseNested(name!, nested ?? '', key, mask);
  }
  const known = /^(?:[a-z0-9_]+(?:=[^,()]*|\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\))(?:,|$))*$/;
  if (!known.test(body)) throw new TunnelTextError(`tunnel(${body})`);
}

/** The key of a `set(tunnel(...))`: all that is not named is zero. */
export function parseSetTunnel(body: string): Flow {
  const [key, mask] = [new Flow(), new Flow()];
  parseTunnel(body, key, mask);
  fillTunnel(mask);
  return key;
}

const NUMBERS = {
  tos: ['tunTos', 0xff],
  ttl: ['tunTtl', 0xff],
  tp_src: ['tunTpSrc', 0xffff],
  tp_dst: ['tunTpDst', 0xffff],
} as const;

function parseMember(name: string, text: string, key: Flow, mask: Flow): void {
  const [value = '', bits] = text.split('/');
  const bad = (): never => {
    throw new TunnelTextError(`bad ${name} ${text}`);
  };
  if (name === 'tun_id') {
    key.tunId = integer(value, U64) ?? bad();
    mask.tunId = bits === undefined ? U64 : (integer(bits, U64) ?? bad());
    return;
  }
  if (name === 'src' || name === 'dst') {
    const field = name === 'src' ? 'tunSrc' : 'tunDst';
    key[field] = parseIpv4(value) ?? bad();
    mask[field] = bits === undefined ? 0xffff_ffff : (parseIpv4(bits) ?? bad());
    const rest = name === 'src' ? mask.tunIpv6Src : mask.tunIpv6Dst;
    if (mask[field] !== 0) rest.fill(0xff, 4);
    return;
  }
  if (name === 'ipv6_src' || name === 'ipv6_dst') {
    const field = name === 'ipv6_src' ? 'tunIpv6Src' : 'tunIpv6Dst';
    key[field] = parseIpv6(value) ?? bad();
    mask[field] = bits === undefined ? new Uint8Array(16).fill(0xff) : (parseIpv6(bits) ?? bad());
    return;
  }
  const number = NUMBERS[name as keyof typeof NUMBERS];
  if (!number) {
    bad();
    return;
  }
  const [field, full] = number;
  key[field] = Number(integer(value, BigInt(full)) ?? bad());
  mask[field] = bits === undefined ? full : Number(integer(bits, BigInt(full)) ?? bad());
}

function integer(text: string, max: bigint): bigint | undefined {
  if (!/^(0x[0-9a-f]+|\d+)$/i.test(text)) return undefined;
  const v = BigInt(text);
  return v > max ? undefined : v;
}

function parseNested(name: string, body: string, key: Flow, mask: Flow): void {
  if (name === 'flags') {
    parseFlags(body, key, mask);
    return;
  }
  const gbp = /^gbp\(id=(\d+),flags=(0x[0-9a-f]+|\d+)\)$/.exec(body);
  if (name === 'vxlan' && gbp) {
    [key.tunGbpId, key.tunGbpFlags] = [Number(gbp[1]), Number(gbp[2])];
    [mask.tunGbpId, mask.tunGbpFlags] = [0xffff, 0xff];
    return;
  }
  if (name === 'erspan') {
    parseErspan(body, key, mask);
    return;
  }
  if (name !== 'geneve') throw new TunnelTextError(`${name}(${body})`);
  const options: number[] = [];
  for (const [, cls, type, length, value = ''] of body.matchAll(
    /\{class=([^,{}]*),type=([^,{}]*),len=(\d+)(?:,0x([0-9a-f]*))?\}/gi,
  )) {
    const n = Number(length);
    options.push(Number(cls) >> 8, Number(cls) & 0xff, Number(type), n / 4);
    options.push(...Buffer.from(value.padStart(2 * n, '0'), 'hex'));
  }
  if (options.length > TUN_OPTS_MAX) throw new TunnelTextError('too many options');
  putTunnelOptions(key, Uint8Array.from(options));
  mask.tunOptsLen = 0xff;
  mask.tunOpts.fill(0xff);
}

function parseErspan(body: string, key: Flow, mask: Flow): void {
  const found = { ver: 0, idx: 0, dir: 0, hwid: 0 };
  const limits: Readonly<Record<string, bigint>> = { ver: 2n, idx: 0xfffffn, dir: 1n, hwid: 0x3fn };
  for (const part of body.split(',')) {
    const [name = '', value = ''] = part.split('=');
    const n = name in limits ? integer(value, limits[name]!) : undefined;
    if (n === undefined) throw new TunnelTextError(`bad erspan ${part}`);
    found[name as keyof typeof found] = Number(n);
  }
  if (found.ver === 0) throw new TunnelTextError(`erspan(${body})`);
  putErspan(key, found);
  mask.tunOptsLen = 0xff;
  mask.tunOpts.fill(0xff);
}

function parseFlags(body: string, key: Flow, mask: Flow): void {
  const bitOf = (name: string): number => {
    const bit = FLAGS.find(([, n]) => n === name)?.[0];
    if (bit === undefined) throw new TunnelTextError(`bad flag ${name}`);
    return bit;
  };
  if (!/^[-+]/.test(body)) {
    mask.tunFlags = ALL_FLAGS;
    for (const name of body.split('|').filter((n) => n !== '0' && n !== '')) {
      key.tunFlags |= bitOf(name);
    }
    return;
  }
  for (const [, sign, name] of body.matchAll(/([-+])([^-+]*)/g)) {
    mask.tunFlags |= bitOf(name!);
    if (sign === '+') key.tunFlags |= bitOf(name!);
  }
}
