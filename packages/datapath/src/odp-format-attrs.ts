/** Attributes of a flow's key as text; the inverse of odp-parse-attrs.ts. */
import { FLOW_TNL_F_KEY, formatIpv4, formatIpv6, formatMac, toHex } from '@heddle/packet';
import {
  allOnes,
  FLAGS,
  isAllOnes,
  isFlags,
  isNumber,
  isStruct,
  isZero,
  type Member,
  type MemberValue,
  NUMBERS,
  type NumberName,
  type OdpAttr,
  STRUCTS,
  type StructAttr,
  type TunnelAttr,
  type TunnelMember,
} from './odp-attrs.ts';
import { FRAG_NAMES } from './odp-fields.ts';

export interface AttrFormat {
  /** With masks; else a key alone, of which all is printed. */
  readonly isMasked?: boolean;
  /** Also what a key alone leaves out. */
  readonly isVerbose?: boolean;
}

/** printf's `%#x`. */
function hex(v: number | bigint): string {
  return v === 0 || v === 0n ? '0' : `0x${v.toString(16)}`;
}

function hex4(v: number): string {
  return `0x${v.toString(16).padStart(4, '0')}`;
}

export function formatAttrs(attrs: readonly OdpAttr[], f: AttrFormat = {}): string {
  return attrs.map((attr) => formatAttr(attr, f)).join(',');
}

export function formatAttr(attr: OdpAttr, f: AttrFormat = {}): string {
  return `${attr.name}(${body(attr, f)})`;
}

function body(attr: OdpAttr, f: AttrFormat): string {
  if (isStruct(attr)) return attr.name === 'vlan' ? vlanBody(attr, f) : structBody(attr, f);
  switch (attr.name) {
    case 'encap':
      return formatAttrs(attr.attrs, f);
    case 'tunnel':
      return tunnelBody(attr, f);
    case 'mpls':
      return mplsBody(attr.lses, attr.masks, f);
    case 'ct_label': {
      if (!f.isMasked) return f.isVerbose ? hex(attr.value) : '';
      const isExact = attr.mask === (1n << 128n) - 1n;
      return isExact ? hex(attr.value) : `${hex(attr.value)}/${hex(attr.mask)}`;
    }
    default:
      return flagsOrNumber(attr as Extract<OdpAttr, { readonly value: number }>, f);
  }
}

function flagsOrNumber(attr: Extract<OdpAttr, { readonly value: number }>, f: AttrFormat): string {
  const { name, value, mask } = attr;
  if (isFlags(name)) {
    const { names, bits } = FLAGS[name];
    const isExact = !f.isMasked || mask === allOnes(bits);
    if (name === 'ct_state' && isExact && (f.isMasked || f.isVerbose)) return hex(value);
    return isExact ? namedFlags(value, names) : signedFlags(value, mask, names);
  }
  return isNumber(name) ? numberBody(name, value, mask, f) : '';
}

function numberBody(name: NumberName, value: number, mask: number, f: AttrFormat): string {
  if ((name === 'ct_zone' || name === 'ct_mark') && !f.isMasked && !f.isVerbose) return '';
  const text = name === 'in_port' ? String : name === 'eth_type' ? hex4 : hex;
  const isExact = !f.isMasked || mask === allOnes(NUMBERS[name].bits);
  if (isExact) return text(value);
  return `${text(value)}/${name === 'eth_type' ? hex4(mask) : hex(mask)}`;
}

function structBody(attr: StructAttr, f: AttrFormat): string {
  const members: readonly Member[] = STRUCTS[attr.name];
  return members
    .flatMap((member, i) => {
      const [value, mask] = [attr.values[i]!, attr.masks[i]!];
      if (f.isMasked && isZero(mask)) return [];
      const name = `${member.printed ?? member.name}=`;
      const text = memberText(member, value);
      const isPlain = member.kind === 'frag' || attr.name === 'nd_ext';
      if (!f.isMasked || isPlain || isAllOnes(member, mask)) return [name + text];
      const bits = member.kind === 'dec' ? hex(mask as number) : memberText(member, mask);
      return [`${name}${text}/${bits}`];
    })
    .join(',');
}

function memberText({ kind }: Member, v: MemberValue): string {
  if (typeof v !== 'number') return formatIpv6(v);
  switch (kind) {
    case 'mac':
      return formatMac(v);
    case 'ipv4':
      return formatIpv4(v);
    case 'hex':
      return hex(v);
    case 'hex0':
      return `0x${v.toString(16)}`;
    case 'frag':
      return FRAG_NAMES.find(([value]) => value === v)?.[1] ?? '<error>';
    default:
      return String(v);
  }
}

function vlanBody(attr: StructAttr, f: AttrFormat): string {
  const parts = STRUCTS.vlan.slice(0, 2).flatMap(({ name, bits }, i) => {
    const [value, mask] = [attr.values[i] as number, attr.masks[i] as number];
    if (!f.isMasked || mask === allOnes(bits)) return [`${name}=${value}`];
    return mask === 0 && value === 0 ? [] : [`${name}=${value}/0x${mask.toString(16)}`];
  });
  if (attr.values[2] === 0) parts.push('cfi=0');
  return parts.join(',');
}

function mplsBody(lses: readonly number[], masks: readonly number[], f: AttrFormat): string {
  const isExact = !f.isMasked || masks.every((mask) => mask === 0xffff_ffff);
  return lses
    .map((lse, i) => {
      const [label, tc, bos, ttl] = parts(lse);
      if (isExact) return `label=${label},tc=${tc},ttl=${ttl},bos=${bos}`;
      const [labelMask, tcMask, bosMask, ttlMask] = parts(masks[i]!).map((v) => v.toString(16));
      return `label=${label}/0x${labelMask},tc=${tc}/${tcMask},ttl=${ttl}/0x${ttlMask},bos=${bos}/${bosMask}`;
    })
    .join(',');
}

function parts(lse: number): [label: number, tc: number, bos: number, ttl: number] {
  return [lse >>> 12, (lse >>> 9) & 7, (lse >>> 8) & 1, lse & 0xff];
}

function namedFlags(flags: number, names: readonly string[]): string {
  const found: string[] = [];
  for (let i = 0; flags >>> i !== 0; i++) {
    if ((flags >>> i) & 1) found.push(names[i] ?? `[${(2 ** i).toString(16)}]`);
  }
  return found.join('|') || '0';
}

function signedFlags(value: number, mask: number, names: readonly string[]): string {
  let text = '';
  for (let i = 0; mask >>> i !== 0; i++) {
    const sign = (value >>> i) & 1 ? '+' : '-';
    if ((mask >>> i) & 1) text += sign + (names[i] ?? `[${(2 ** i).toString(16)}]`);
  }
  return text;
}

const TUNNEL_FLAGS = ['oam', 'df', 'csum', 'key'];
/** A mask whose attributes are others than the key's is left out. */
function tunnelBody(attr: TunnelAttr, f: AttrFormat): string {
  const own = f.isMasked && !attr.isMaskAlike ? { isVerbose: true } : f;
  const said = attr.members.flatMap((member) => tunnelMember(member, own) ?? []);
  const mask = (attr.flagsMask & ~FLOW_TNL_F_KEY) | (attr.flags & FLOW_TNL_F_KEY);
  const all = 2 ** TUNNEL_FLAGS.length - 1;
  if (!own.isMasked || (mask & all) === all || (said.length === 0 && mask === 0)) {
    said.push(`flags(${namedFlags(attr.flags, TUNNEL_FLAGS)})`);
  } else if ((mask & all) !== 0) {
    said.push(`flags(${signedFlags(attr.flags, mask & all, TUNNEL_FLAGS)})`);
  }
  return said.join(',');
}

function tunnelMember(member: TunnelMember, f: AttrFormat): string | undefined {
  const masked = <T>(value: T, mask: T, isFull: boolean, text: (v: T) => string, m = text) =>
    !f.isMasked || isFull ? text(value) : `${text(value)}/${m(mask)}`;
  const { name } = member;
  if (f.isMasked && 'mask' in member && isBlank(member.mask)) return undefined;
  switch (name) {
    case 'tun_id': {
      if (!f.isMasked && !f.isVerbose) return undefined;
      const { value, mask } = member;
      const text = (v: bigint): string => `0x${v.toString(16)}`;
      return `tun_id=${masked(value, mask, mask === (1n << 64n) - 1n, text)}`;
    }
    case 'src':
    case 'dst':
      return `${name}=${masked(member.value, member.mask, member.mask === 0xffff_ffff, formatIpv4)}`;
    case 'ipv6_src':
    case 'ipv6_dst': {
      const isFull = member.mask.every((b) => b === 0xff);
      return `${name}=${masked(member.value, member.mask, isFull, formatIpv6)}`;
    }
    case 'tos':
      return `tos=${masked(member.value, member.mask, member.mask === 0xff, hex)}`;
    case 'ttl':
      return `ttl=${masked(member.value, member.mask, member.mask === 0xff, String, hex)}`;
    case 'tp_src':
    case 'tp_dst':
      return `${name}=${masked(member.value, member.mask, member.mask === 0xffff, String, hex)}`;
    case 'vxlan':
      return `vxlan(gbp(${gbpBody(member, f)}))`;
    case 'geneve':
      return `geneve(${geneveBody(member.value, member.mask, f)})`;
    case 'erspan':
      return `erspan(${erspanBody(member, f)})`;
    case 'gtpu': {
      const { value, mask } = member;
      const bits = (v: number): string => (f.isMasked && v !== 0xff ? `/${hex(v)}` : '');
      const flags = `flags=${hex(value.flags)}${bits(mask.flags)}`;
      const type = `msgtype=${value.msgtype}${bits(mask.msgtype)}`;
      return `gtpu(${saidOf(f, [flags, mask.flags], [type, mask.msgtype])})`;
    }
  }
}

/** Of a number or an address; a struct's mask has members of its own. */
function isBlank(mask: Extract<TunnelMember, { mask: unknown }>['mask']): boolean {
  return (
    mask === 0 || mask === 0n || (mask instanceof Uint8Array && mask.length === 16 && isZero(mask))
  );
}

function gbpBody({ gbp, mask }: Extract<TunnelMember, { name: 'vxlan' }>, f: AttrFormat): string {
  const id = f.isMasked && mask.id !== 0xffff ? `/${hex(mask.id)}` : '';
  const flags = f.isMasked && mask.flags !== 0xff ? `/${hex(mask.flags)}` : '';
  const said: string[] = [];
  if (!f.isMasked || mask.id !== 0) said.push(`id=${gbp.id}${id}`);
  if (!f.isMasked || mask.flags !== 0) said.push(`flags=${hex(gbp.flags)}${flags}`);
  return said.join(',');
}

/** The mask of what has fewer bits than its place is printed. */
function erspanBody(
  { value, mask }: Extract<TunnelMember, { name: 'erspan' }>,
  f: AttrFormat,
): string {
  const bits = (v: number): string => (f.isMasked ? `/${hex(v)}` : '');
  const ver = `ver=${value.ver}`;
  // Without an end it had no members, either.
  if (value.ver === 0) return ver;
  if (value.ver === 1) return `${ver},idx=${hex(value.idx)}${bits(mask.idx)}`;
  const dir = `dir=${value.dir}${bits(mask.dir)}`;
  const hwid = `hwid=${hex(value.hwid)}${bits(mask.hwid)}`;
  return saidOf(f, [ver, 0xff], [dir, mask.dir], [hwid, mask.hwid]);
}

function geneveBody(value: Uint8Array, mask: Uint8Array, f: AttrFormat): string {
  let text = '';
  const number = (v: number, bits: number, all: number): string =>
    hex(v) + (f.isMasked && bits !== all ? `/${hex(bits)}` : '');
  for (let at = 0; at + 4 <= value.length; ) {
    const length = (value[at + 3]! & 0x1f) * 4;
    const pair = (b: Uint8Array): number => (b[at]! << 8) | b[at + 1]!;
    const data = (b: Uint8Array): bigint =>
      BigInt(`0x0${toHex(b.subarray(at + 4, at + 4 + length))}`);
    const isFull = data(mask) === (1n << BigInt(8 * length)) - 1n;
    const content = hex(data(value)) + (f.isMasked && !isFull ? `/${hex(data(mask))}` : '');
    const option = saidOf(
      f,
      [`class=${number(pair(value), pair(mask), 0xffff)}`, pair(mask)],
      [`type=${number(value[at + 2]!, mask[at + 2]!, 0xff)}`, mask[at + 2]!],
      [`len=${length}`, mask[at + 3]!],
      ...(length > 0 ? [[content, data(mask) === 0n ? 0 : 1] as const] : []),
    );
    text += `{${option}}`;
    at += 4 + length;
  }
  return text;
}

/** Parts of which the mask has something, or all. */
function saidOf(f: AttrFormat, ...parts: readonly (readonly [string, number])[]): string {
  return parts
    .filter(([, mask]) => !f.isMasked || mask !== 0)
    .map(([text]) => text)
    .join(',');
}
