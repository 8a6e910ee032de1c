/** Sets of flags in the text of datapath flows. */
import { Scanner } from './odp-scan.ts';

/** `+syn-ack`, `syn|ack`, or a number with its mask. */
export function scanFlags(
  s: Scanner,
  names: readonly string[],
  bits: number,
): [value: number, mask: number] {
  const all = 2 ** bits - 1;
  const bitOf = (name: string): number => {
    const named = names.indexOf(name);
    if (named >= 0) return 2 ** named;
    const [, unnamed] = /^\[([0-9a-fA-F]+)\]$/.exec(name) ?? s.fail();
    return Number.parseInt(unnamed!, 16);
  };
  const within = (v: number): number => ((v & ~all) !== 0 ? s.fail() : v);
  let value = 0;
  if (s.sees('+') || s.sees('-')) {
    let mask = 0;
    for (let found = s.match(SIGNED); found; found = s.match(SIGNED)) {
      const bit = within(bitOf(found[2]!));
      if ((mask & bit) !== 0) s.fail();
      mask |= bit;
      if (found[1] === '+') value |= bit;
    }
    return [value, mask];
  }
  if (/[\s0-9]/.test(s.text[s.at] ?? '')) {
    const start = s.at;
    const whole = s.number(32);
    if (s.take('/')) return [within(whole), s.number(32) & all];
    if (!s.sees('|')) return [within(whole), all];
    s.at = start;
  }
  do {
    if (s.sees(')') && s.text[s.at - 1] === '|') break;
    const [name] = s.match(FLAG) ?? s.fail();
    value |= within(/^[0-9]/.test(name) ? new Scanner(name).number(32) : bitOf(name));
  } while (s.take('|'));
  return [value, all];
}

const SIGNED = /([-+])([^-+|,()\s]+)/y;
const FLAG = /[^-+|,()\s/]+/y;
