/** Numbers as most are written, read without regular expressions and big integers; -1: something else. */
const ZERO = 0x30;
const NINE = 0x39;
const COLON = 0x3a;
const X = 0x78;

/** A decimal number of at most nine digits, the first not 0 unless alone. */
export function quickDecimal(text: string): number {
  const n = text.length;
  if (n === 0 || n > 9) return -1;
  if (n > 1 && text.charCodeAt(0) === ZERO) return -1;
  let v = 0;
  for (let i = 0; i < n; i++) {
    const c = text.charCodeAt(i);
    if (c < ZERO || c > NINE) return -1;
    v = v * 10 + (c - ZERO);
  }
  return v;
}

/** `0x` and one to eight digits. */
function quickHexadecimal(text: string): number {
  const n = text.length;
  if (n < 3 || n > 10 || text.charCodeAt(0) !== ZERO || text.charCodeAt(1) !== X) return -1;
  let v = 0;
  for (let i = 2; i < n; i++) {
    const digit = hexDigit(text.charCodeAt(i));
    if (digit < 0) return -1;
    v = v * 16 + digit;
  }
  return v;
}

/** Decimal or hexadecimal, below `limit`. */
export function quickInteger(text: string, limit: number): number {
  const decimal = quickDecimal(text);
  const v = decimal < 0 ? quickHexadecimal(text) : decimal;
  return v < limit ? v : -1;
}

/** Six pairs of digits, as a number of 48 bits. */
export function quickMac(text: string): number {
  if (text.length !== 17) return -1;
  let v = 0;
  for (let at = 0; at < 17; at += 3) {
    const high = hexDigit(text.charCodeAt(at));
    const low = hexDigit(text.charCodeAt(at + 1));
    if (high < 0 || low < 0 || (at < 15 && text.charCodeAt(at + 2) !== COLON)) return -1;
    v = v * 256 + high * 16 + low;
  }
  return v;
}

export function hexDigit(c: number): number {
  if (c >= ZERO && c <= NINE) return c - ZERO;
  const lower = c | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
}
