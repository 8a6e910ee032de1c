/** Which connections a zone and the tuples of their two directions mean. */
import type { CtEntry, CtFilter } from '@heddle/datapath';
import type { CtTuple } from '@heddle/openflow';
import { IPPROTO_ICMP, IPPROTO_ICMPV6 } from '@heddle/packet';

export interface CtChoice {
  readonly zone?: number | undefined;
  readonly original?: CtTuple;
  readonly reply?: CtTuple;
}

export function ctFilter(choice: CtChoice): CtFilter {
  const { zone, original = {}, reply = {} } = choice;
  const isWhole = Object.keys(original).length === 0 && Object.keys(reply).length === 0;
  return { zone, ...(!isWhole && { which: (entry) => ctMatches(entry, choice) }) };
}

function ctMatches(entry: CtEntry, { zone, original, reply }: CtChoice): boolean {
  if (zone !== undefined && entry.zone !== zone) return false;
  return tupleMatches(entry.orig, original) && tupleMatches(entry.reply, reply);
}

function tupleMatches(t: CtEntry['orig'], want: CtTuple | undefined): boolean {
  if (!want) return true;
  const isIcmp = t.proto === IPPROTO_ICMP || t.proto === IPPROTO_ICMPV6;
  return (
    sameAddress(t.src, want.src) &&
    sameAddress(t.dst, want.dst) &&
    agrees(t.proto, want.proto) &&
    (isIcmp || (agrees(t.srcPort, want.srcPort) && agrees(t.dstPort, want.dstPort))) &&
    (!isIcmp ||
      (agrees(t.srcPort, want.icmpId) &&
        agrees(t.icmpType, want.icmpType) &&
        agrees(t.icmpCode, want.icmpCode)))
  );
}

function agrees(value: number, want: number | undefined): boolean {
  return want === undefined || want === value;
}

/** IPv4 addresses are wanted as the IPv6 ones that map them. */
function sameAddress(address: Uint8Array, want: Uint8Array | undefined): boolean {
  if (!want) return true;
  const skip = want.length - address.length;
  if (skip > 0 && !(want[10] === 0xff && want[11] === 0xff)) return false;
  return address.every((b, i) => want[skip + i] === b);
}
