/**
 * A tunnel's addresses as the programs' keys have them. A packet has come by a tunnel of one family, so
 * both lie where a `Flow` has those of IPv6: IPv4 in the first word, zeros behind it. The words that a
 * `Flow` has for IPv4 are zero there.
 */
import { Flow, KEY_SLOTS } from '@heddle/packet';

interface End {
  readonly ipv4: number;
  readonly ipv6: number;
}

/** First words. */
const ENDS: readonly End[] = [
  { ipv4: wordOf('tunSrc'), ipv6: wordOf('tunIpv6Src') },
  { ipv4: wordOf('tunDst'), ipv6: wordOf('tunIpv6Dst') },
];
const [SRC, DST] = [ENDS[0]!, ENDS[1]!];
const scratch = new Flow();

function wordOf(name: string): number {
  return KEY_SLOTS.get(name)!.offset / 4;
}

function hasIpv4({ u32 }: Flow): boolean {
  return (u32[SRC.ipv4]! | u32[DST.ipv4]!) !== 0;
}

/** The key for the programs, masked or not; `flow` itself or what is good until the next call. */
export function programKey(flow: Flow): Flow {
  if (!hasIpv4(flow)) return flow;
  scratch.copyFrom(flow);
  for (const { ipv4, ipv6 } of ENDS) {
    scratch.u32[ipv6]! |= flow.u32[ipv4]!;
    scratch.u32[ipv4] = 0;
  }
  return scratch;
}

/** As `programKey`: who looks at an IPv4 address looks at the zeros behind it. */
export function programMask(mask: Flow): Flow {
  if (!hasIpv4(mask)) return mask;
  programKey(mask);
  for (const { ipv4, ipv6 } of ENDS) {
    if (mask.u32[ipv4] !== 0) scratch.u32.fill(0xffff_ffff, ipv6 + 1, ipv6 + 4);
  }
  return scratch;
}

/** Takes the programs' key for a `Flow`; one under a mask that does not look at IPv4 is one already. */
export function readProgramKey({ u32 }: Flow, mask?: Flow): void {
  if ((u32[SRC.ipv6]! | u32[DST.ipv6]!) === 0 || (mask && !hasIpv4(mask))) return;
  for (const { ipv6 } of ENDS) {
    for (let i = ipv6 + 1; i < ipv6 + 4; i++) if (u32[i] !== 0) return;
  }
  for (const { ipv4, ipv6 } of ENDS) {
    u32[ipv4] = u32[ipv6]!;
    u32[ipv6] = 0;
  }
}

/** As `readProgramKey`: a mask of a whole address looks at those of both families. */
export function readProgramMask({ u32 }: Flow): void {
  for (const { ipv4, ipv6 } of ENDS) {
    if ((u32[ipv6 + 1]! & u32[ipv6 + 2]! & u32[ipv6 + 3]!) === -1) u32[ipv4] = u32[ipv6]!;
  }
}
