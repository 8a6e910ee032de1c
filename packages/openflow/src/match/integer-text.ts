/** Numbers of C in text: decimal, octal or hexadecimal, as strtoull(3) has them. */

const DIGITS = '\\s*(?:0[xX]([0-9a-fA-F]*)|([+-]?)(?:0[xX]([0-9a-fA-F]+)|(0[0-7]*|[1-9]\\d*)))';
const LEADING = new RegExp(`^${DIGITS}`);
const WHOLE = new RegExp(`^${DIGITS}$`);
const U64 = 0xffff_ffff_ffff_ffffn;

/** The number that `text` begins with: as `wholeInteger`. */
export function leadingInteger(text: string): bigint | 'large' | undefined {
  return integerOf(LEADING.exec(text));
}

/**
 * The number that `text` is; undefined when it is none, 'large' beyond 64 bits. Negative ones are of 64 bits;
 * hexadecimal ones without a sign may be longer.
 */
export function wholeInteger(text: string): bigint | 'large' | undefined {
  return integerOf(WHOLE.exec(text));
}

function integerOf(m: RegExpExecArray | null): bigint | 'large' | undefined {
  if (!m) return undefined;
  const [, hex, sign, signedHex, plain = '0'] = m;
  if (hex !== undefined) return BigInt(`0x0${hex}`);
  const octal = plain.length > 1 && plain.startsWith('0') ? `0o${plain.slice(1)}` : plain;
  const magnitude = BigInt(signedHex === undefined ? octal : `0x${signedHex}`);
  if (magnitude > U64) return 'large';
  return sign === '-' ? BigInt.asUintN(64, -magnitude) : magnitude;
}
