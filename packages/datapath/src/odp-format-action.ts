/** Text of actions that hold no others and touch no headers, and of MPLS. */
import { formatIpv4, formatIpv6 } from '@heddle/packet';
import type { OdpAction, OdpCtAction, OdpNat } from './odp-actions.ts';

type PlainAction = Extract<
  OdpAction,
  {
    readonly type:
      | 'set_priority'
      | 'hash'
      | 'push_mpls'
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
    case 'push_mpls':
      return `push_mpls(${lseText(a.lse)},eth_type=${hex(a.ethertype)})`;
    case 'pop_mpls':
      return `pop_mpls(eth_type=${hex(a.ethertype)})`;
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

function formatCt(a: OdpCtAction): string {
  const parts: string[] = [];
  if (a.commit) parts.push(a.force ? 'force_commit' : 'commit');
  if (a.zone !== 0) parts.push(`zone=${a.zone}`);
  if (a.mark) parts.push(`mark=${hex(a.mark.value)}/${hex(a.mark.mask)}`);
  if (a.label) parts.push(`label=${hex(a.label.value)}/${hex(a.label.mask)}`);
  if (a.helper !== undefined) parts.push(`helper=${a.helper}`);
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
