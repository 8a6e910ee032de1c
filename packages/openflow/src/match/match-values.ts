/** Where matches in bytes have values that nothing else hangs on. */
import { fieldPlan } from './field-plan.ts';
import { parseFieldHeader } from './oxm-header.ts';

/** Fields of which every value may be matched, and on which no other field or action depends. */
const VALUES =
  /^(eth_(src|dst)|(ip|ipv6)_(src|dst)|arp_(spa|tpa|sha|tha)|(tcp|udp|sctp)_(src|dst)|nd_(target|sll|tll)|metadata|tun_id|x{0,2}reg\d+)$/;

/** Bytes of a match that are a field's value, and where they are in a key. */
export interface MatchValue {
  readonly off: number;
  readonly size: number;
  readonly to: number;
}

/** Of the OXM entries from `start` to `end`. */
export function matchValues(bytes: Uint8Array, start: number, end: number): MatchValue[] {
  const values: MatchValue[] = [];
  for (let off = start; off < end; ) {
    const { point, headerLength, payloadLength } = parseFieldHeader(bytes, off, end);
    off += headerLength;
    const field = point?.field;
    if (field && VALUES.test(field.name)) {
      const { mode, size, offset } = fieldPlan(field);
      if (mode === 'copy') values.push({ off, size, to: offset });
    }
    off += payloadLength;
  }
  return values;
}
