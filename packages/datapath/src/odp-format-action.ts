/** Text of actions that hold no others and touch no headers, and of MPLS. */
import { formatIpv4, formatIpv6, formatMac, type NshHeader, toHex } from '@heddle/packet';
import type { OdpAction, OdpCtAction, OdpNat } from './odp-actions.ts';

type PlainAction = Extract<
  OdpAction,
  {
    readonly type:
      | 'set_priority'
      | 'hash'
      | 'push_mpls'
      | 'add_mpls'
      | 'push_eth'
      | 'pop_eth'
      | 'push_nsh'
      | 'set_nsh'
      | 'pop_nsh'
      | 'pop_mpls'
      | 'set_mpls'
      | 'ct'
      | 'ct_clear'
      | 'meter';
  }
>;

/** printf's `%#x`. */
function hex(v: number | bigint): string {
  return v === 0 || v === 0n ? '0' : `0x${v.toString(16)}`;
}

export function formatPlainAction(a: PlainAction): string {
  switch (a.type) {
    case 'set_priority':
      return `set(skb_priority(${hex(a.priority)}))`;
    case 'hash':
      return `hash(${a.algorithm === 'l4' ? 'l4' : 'sym_l4'}(${a.basis}))`;
    case 'push_eth':
      return `push_eth(src=${formatMac(a.src)},dst=${formatMac(a.dst)})`;
    case 'pop_eth':
      return 'pop_eth';
    case 'push_nsh':
      return `push_nsh(${nshText(a.header, a.metadata)})`;
    case 'set_nsh':
      return `set(nsh(${maskedNshText(a.header, a.mask)}))`;
    case 'pop_nsh':
      return 'pop_nsh()';
    case 'add_mpls':
      return `add_mpls(${lseText(a.lse)},eth_type=${hex(a.ethertype)})`;
    case 'push_mpls':
      return `push_mpls(${lseText(a.lse)},eth_type=${hex(a.ethertype)})`;
    case 'pop_mpls':
      return `pop_mpls(eth_type=0x${a.ethertype.toString(16)})`;
    case 'set_mpls':
      return `set(mpls(${maskedLseText(a.lse, a.mask)}))`;
    case 'ct':
      return formatCt(a);
    case 'ct_clear':
      return 'ct_clear';
    case 'meter':
      return `meter(${a.id})`;
  }
}

function lseText(lse: number): string {
  const [label, tc, bos, ttl] = [lse >>> 12, (lse >>> 9) & 7, (lse >>> 8) & 1, lse & 0xff];
  return `label=${label},tc=${tc},ttl=${ttl},bos=${bos}`;
}

function maskedLseText(lse: number, mask: number): string {
  if (mask >>> 0 === 0xffff_ffff) return lseText(lse);
  const parts = [
    ['label', lse >>> 12, mask >>> 12, 0xfffff],
    ['tc', (lse >>> 9) & 7, (mask >>> 9) & 7, 7],
    ['ttl', lse & 0xff, mask & 0xff, 0xff],
    ['bos', (lse >>> 8) & 1, (mask >>> 8) & 1, 1],
  ] as const;
  return parts
    .filter(([, , m]) => m !== 0)
    .map(([name, v, m, all]) => (m === all ? `${name}=${v}` : `${name}=${v}/${hex(m)}`))
    .join(',');
}

function nshText(h: NshHeader, metadata: Uint8Array | undefined): string {
  const [spi, si] = [h.path >>> 8, h.path & 0xff];
  const head = `flags=${h.flags},ttl=${h.ttl},mdtype=${h.mdtype},np=${h.np},spi=0x${spi.toString(16)},si=${si}`;
  if (metadata) return `${head},md2=${metadata.length === 0 ? '0' : `0x${toHex(metadata)}`}`;
  return `${head},${h.context.map((c, i) => `c${i + 1}=0x${c.toString(16)}`).join(',')}`;
}

/** What the mask has bits in. */
function maskedNshText(h: NshHeader, m: NshHeader): string {
  const parts: string[] = [];
  const hex2 = (v: number): string => `0x${v.toString(16).padStart(2, '0')}`;
  const hexed = (v: number): string => `0x${v.toString(16)}`;
  const byte = (name: string, v: number, bits: number): void => {
    if (bits === 0xff) parts.push(`${name}=${v}`);
    else if (bits !== 0) parts.push(`${name}=${hex2(v)}/${hex2(bits)}`);
  };
  const word = (name: string, v: number, bits: number, all: number): void => {
    if (bits === all) parts.push(`${name}=${hexed(v)}`);
    else if (bits !== 0) parts.push(`${name}=${hexed(v)}/${full(bits, all)}`);
  };
  const full = (v: number, all: number) =>
    `0x${v.toString(16).padStart(all.toString(16).length > 6 ? 8 : 6, '0')}`;
  byte('flags', h.flags, m.flags);
  byte('ttl', h.ttl, m.ttl);
  word('spi', h.path >>> 8, m.path >>> 8, 0xffffff);
  byte('si', h.path & 0xff, m.path & 0xff);
  for (const [i, c] of h.context.entries()) word(`c${i + 1}`, c, m.context[i]!, 0xffff_ffff);
  return parts.join(',');
}

const ALL_128 = (1n << 128n) - 1n;

/** Policies for timeouts may have names. */
export function formatCt(a: OdpCtAction, timeout: number | string | undefined = a.timeout): string {
  const parts: string[] = [];
  if (a.commit) parts.push(a.force ? 'force_commit' : 'commit');
  if (a.zone !== 0) parts.push(`zone=${a.zone}`);
  if (a.mark) parts.push(`mark=${hex(a.mark.value)}/${hex(a.mark.mask)}`);
  if (a.label) {
    const mask = a.label.mask === ALL_128 ? '' : `/${hex(a.label.mask)}`;
    parts.push(`label=${hex(a.label.value)}${mask}`);
  }
  if (a.helper !== undefined) parts.push(`helper=${a.helper}`);
  if (timeout !== undefined) parts.push(`timeout=${timeout}`);
  if (a.nat) parts.push(formatNat(a.nat));
  return parts.length === 0 ? 'ct' : `ct(${parts.join(',')})`;
}

function formatNat(nat: OdpNat): string {
  const parts: string[] = [];
  if (nat.direction !== undefined) parts.push(directionText(nat, nat.direction));
  if (nat.persistent) parts.push('persistent');
  if (nat.hash) parts.push('hash');
  if (nat.random) parts.push('random');
  return parts.length === 0 ? 'nat' : `nat(${parts.join(',')})`;
}

function directionText(nat: OdpNat, direction: string): string {
  const hasPorts = (nat.portMin ?? 0) !== 0;
  const address = (v: bigint): string => {
    if (nat.family !== 6) return formatIpv4(Number(v));
    const text = formatIpv6(bytes16(v));
    return hasPorts ? `[${text}]` : text;
  };
  if (nat.min === undefined && !hasPorts) return direction;
  let text = `${direction}=`;
  if (nat.min !== undefined) text += address(nat.min);
  if (nat.max !== undefined && nat.max !== nat.min) text += `-${address(nat.max)}`;
  if (hasPorts) {
    text += `:${nat.portMin}`;
    if (nat.portMax !== undefined && nat.portMax !== nat.portMin) text += `-${nat.portMax}`;
  }
  return text;
}

function bytes16(v: bigint): Uint8Array {
  return Uint8Array.from({ length: 16 }, (_, i) => Number((v >> BigInt(8 * (15 - i))) & 0xffn));
}
