/**
 * Reads the text of datapath flows and actions from left to right, as Open vSwitch does: a number may
 * have space before it, a sign and any base of C's; what is too large for its place is cut to it.
 */
import { parseIpv6 } from '@heddle/packet';

const NUMBER = /\s*([-+]?)(0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*)/y;
const DECIMAL = /\s*([-+]?)([0-9]+)/y;
const HEX_BYTE = /\s*(?:0[xX])?([0-9a-fA-F]+)/y;
const DEC_BYTE = /\s*([-+]?[0-9]+)/y;
const IPV6 = /([0-9a-fA-F:.]+)/y;
const HEX = /\s*([-+]?)(?:0[xX](?=[0-9a-fA-F]))?([0-9a-fA-F]+)/y;
/** Without `0x` a number of C's. */
const WIDE = /0[xX]([0-9a-fA-F]*)\s*/y;
const NAME = /[^\s,()]+/y;

/** Where something is amiss; what reads a whole text says so with its own words. */
export class ScanError extends Error {}

export class Scanner {
  readonly text: string;
  at: number;

  constructor(text: string, at = 0) {
    this.text = text;
    this.at = at;
  }

  get rest(): string {
    return this.text.slice(this.at);
  }

  get isAtEnd(): boolean {
    return this.at >= this.text.length;
  }

  fail(): never {
    throw new ScanError();
  }

  sees(literal: string): boolean {
    return this.text.startsWith(literal, this.at);
  }

  /** Whether it was there; what is read goes on behind it then. */
  take(literal: string): boolean {
    if (!this.sees(literal)) return false;
    this.at += literal.length;
    return true;
  }

  expect(literal: string): void {
    if (!this.take(literal)) this.fail();
  }

  /** What lies between elements of a list. */
  skip(delimiters: RegExp): void {
    while (!this.isAtEnd && delimiters.test(this.text[this.at]!)) this.at++;
  }

  /** The groups of a sticky expression; undefined when it does not match here. */
  match(expression: RegExp): RegExpExecArray | undefined {
    expression.lastIndex = this.at;
    const found = expression.exec(this.text) ?? undefined;
    if (found) this.at = expression.lastIndex;
    return found;
  }

  /** C's `%i`, all bits that it has. */
  integer(): bigint {
    const [, sign, digits] = this.match(NUMBER) ?? this.fail();
    return signed(
      sign!,
      /^0[0-7]+$/.test(digits!) ? BigInt(`0o${digits!.slice(1)}`) : BigInt(digits!),
    );
  }

  /** C's `%u`. */
  decimal(bits = 32): number {
    const [, sign, digits] = this.match(DECIMAL) ?? this.fail();
    return Number(BigInt.asUintN(bits, signed(sign!, BigInt(digits!))));
  }

  /** The low `bits` of a number. */
  number(bits: number): number {
    return Number(BigInt.asUintN(bits, this.integer()));
  }

  /** C's `%x`: with or without `0x`. */
  hex(bits: number): number {
    return Number(this.hex64() & ((1n << BigInt(bits)) - 1n));
  }

  /** The same, of 64 bits. */
  hex64(): bigint {
    const [, sign, digits] = this.match(HEX) ?? this.fail();
    return BigInt.asUintN(64, signed(sign!, BigInt(`0x${digits}`)));
  }

  /** A number of up to `bits`: in hexadecimal of all of them, else of 64. */
  wide(bits: number): bigint {
    const [, digits] = this.match(WIDE) ?? [];
    const v = digits === undefined ? this.integer() : BigInt(`0x0${digits}`);
    if (digits !== undefined) return v >> BigInt(bits) === 0n ? v : this.fail();
    return v >> 64n === 0n || -v >> 64n === 0n ? BigInt.asUintN(64, v) : this.fail();
  }

  /** A number that must be no greater in its low `bits`. */
  limited(max: number, bits = 32): number {
    const v = this.number(bits);
    return v > max ? this.fail() : v;
  }

  mac(): number {
    let mac = 0;
    for (let i = 0; i < 6; i++) {
      if (i > 0) this.expect(':');
      const [, digits] = this.match(HEX_BYTE) ?? this.fail();
      mac = mac * 256 + Number(BigInt(`0x${digits}`) & 0xffn);
    }
    return mac;
  }

  ipv4(): number {
    let ip = 0;
    for (let i = 0; i < 4; i++) {
      if (i > 0) this.expect('.');
      const [, digits] = this.match(DEC_BYTE) ?? this.fail();
      ip = ip * 256 + Number(BigInt.asUintN(8, BigInt(digits!.replace('+', ''))));
    }
    return ip;
  }

  ipv6(): Uint8Array {
    const [, text] = this.match(IPV6) ?? this.fail();
    return parseIpv6(text!) ?? this.fail();
  }

  /** Up to a space, a comma or a parenthesis. */
  name(): string {
    return this.match(NAME)?.[0] ?? this.fail();
  }
}

function signed(sign: string, v: bigint): bigint {
  return sign === '-' ? -v : v;
}
