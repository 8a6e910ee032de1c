const ZERO = 0x30;
const NINE = 0x39;

/** A decimal number of at most nine digits, the first not 0 unless alone; -1: something else. */
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
