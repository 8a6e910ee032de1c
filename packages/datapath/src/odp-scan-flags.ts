/** Sets of flags in the text of datapath flows. */
import type { Scanner } from './odp-scan.ts';

const SIGNED = /([-+])([^-+|,()\s]+)/y;
const FLAG = /[^-+|,()\s/]+/y;

/** `+syn-ack`, `syn|ack`, or a number with its mask; all of them within the low `bits`. */
export function scanFlags(
  s: Scanner,
  names: readonly string[],
  bits: number,
): [value: number, mask: number] {
  const all = 2 ** bits - 1;
  if (s.sees('+') || s.sees('-')) {
    let [value, mask] = [0, 0];
    for (let found = s.match(SIGNED); found; found = s.match(SIGNED)) {
      const bit = bitOf(s, found[2]!, names, all);
      if ((mask & bit) !== 0) s.fail();
      mask |= bit;
      if (found[1] === '+') value |= bit;
    }
    return [value, mask];
  }
  if (s.sees(')')) s.fail();
  if (/[\s0-9]/.test(s.text[s.at] ?? '')) {
    const start = s.at;
    const value = s.number(32);
    if (s.take('/')) return [within(s, value, all), within(s, s.number(32), all)];
    s.at = start;
  }
  return [scanFlagSet(s, names, bits), all];
}

/** Names and numbers up to the closing parenthesis; behind a number the stroke may be missing. */
export function scanFlagSet(s: Scanner, names: readonly string[], bits: number): number {
  const all = 2 ** bits - 1;
  let value = 0;
  while (!s.sees(')')) {
    if (/[-+\s0-9]/.test(s.text[s.at] ?? '')) value |= within(s, s.number(32), all);
    else {
      const [name] = s.match(FLAG) ?? s.fail();
      value |= bitOf(s, name, names, all);
      if (!s.sees('|') && !s.sees(')')) s.fail();
    }
    s.take('|');
  }
  return value;
}

/** Bits without a name are said as they are printed, `[800]`. */
function bitOf(s: Scanner, name: string, names: readonly string[], all: number): number {
  const named = names.indexOf(name);
  if (named >= 0) return 2 ** named;
  const [, digits] = /^\[([0-9a-fA-F]+)\]$/.exec(name) ?? s.fail();
  const unnamed = all & ~(2 ** names.length - 1);
  return within(s, Number.parseInt(digits!, 16), unnamed);
}

function within(s: Scanner, v: number, all: number): number {
  return (v & ~all) !== 0 ? s.fail() : v;
}
