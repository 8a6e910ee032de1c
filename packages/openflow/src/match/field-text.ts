/** Values of fields in text (ovs-fields(7), "Format"). */
import {
  type Field,
  formatIpv4,
  formatIpv6,
  formatMac,
  parseIpv4,
  parseIpv6,
} from '@heddle/packet';
import { HeddleError } from '@heddle/runtime';
import {
  CT_STATE,
  type FlagNames,
  formatFlags,
  formatFlagsMasked,
  TCP_FLAGS,
  TUN_FLAGS,
} from './flag-text.ts';
import { wholeInteger } from './integer-text.ts';
import { fromBytes, toBytes } from './match-field.ts';
import {
  formatPort,
  ofp10PortToOfp11,
  ofp11PortToOfp10,
  type PortNames,
  parsePort,
} from './ofp-port.ts';
import { formatIpv4Masked, formatPacketType, prefixOf } from './value-text.ts';

/** A value and its mask, in the wire's bytes. */
export interface FieldText {
  readonly value: Uint8Array;
  readonly mask: Uint8Array;
}

/**
 * `VALUE[/MASK]`; '' and `*` are a mask of zeros. Bits outside the mask are cleared. Errors are
 * `TEXT: reason`.
 */
export function parseFieldText(field: Field, text: string, names?: PortNames): FieldText {
  const size = field.width / 8;
  if (text === '*') return { value: new Uint8Array(size), mask: new Uint8Array(size) };
  const { value, mask } = parseFormat(field, size, text, names);
  for (let i = 0; i < value.length; i++) value[i]! &= mask[i]!;
  if (field.masking === 'none' && !isAll(mask, 0xff) && !isAll(mask, 0)) {
    throw bad(text, `invalid mask for field ${field.name}`);
  }
  return { value, mask };
}

function bad(text: string, why: string): HeddleError {
  return new HeddleError(`${text}: ${why}`);
}

export function isAll(bytes: Uint8Array, value: number): boolean {
  for (let i = 0; i < bytes.length; i++) if (bytes[i] !== value) return false;
  return true;
}

function parseFormat(field: Field, size: number, text: string, names?: PortNames): FieldText {
  switch (field.format) {
    case 'decimal':
    case 'hexadecimal':
      return parseIntegers(field, size, text);
    case 'Ethernet':
      return parseEthernet(text);
    case 'IPv4':
      return parseIpv4Masked(text);
    case 'IPv6':
      return parseIpv6Masked(text);
    case 'OpenFlow 1.0 port':
    case 'OpenFlow 1.1+ port':
      return parsePortField(field, size, text, names);
    case 'packet type':
      return exact(parsePacketType(text), size);
    case 'ct state':
      return parseFlags(CT_STATE, size, text);
    case 'tunnel flags':
      return parseFlags(TUN_FLAGS, size, text);
    case 'TCP flags':
      return parseFlags(TCP_FLAGS, size, text);
    case 'frag':
      return parseFrag(text);
  }
}

/** A number of 32 bits. */
function exact(number: number, size: number): FieldText {
  const value = new Uint8Array(size);
  for (let i = size - 1, rest = number; i >= 0; i--, rest >>>= 8) value[i] = rest;
  return { value, mask: new Uint8Array(size).fill(0xff) };
}

function bytesOf(
  text: string,
  whole: string,
  size: number,
  name: string,
  what: string,
): Uint8Array {
  const n = text === '' ? 0n : wholeInteger(text);
  if (n === undefined) throw bad(whole, `bad syntax for ${name} ${what}`);
  if (n === 'large' || n >> BigInt(8 * size) !== 0n) {
    throw bad(whole, `${what} too large for ${size}-byte field ${name}`);
  }
  return toBytes(n, size);
}

function parseIntegers(field: Field, size: number, text: string): FieldText {
  const slash = text.indexOf('/');
  const { name } = field;
  if (slash === 0) throw bad(text, `bad syntax for ${name} value`);
  const head = slash < 0 ? text : text.slice(0, slash);
  const value = bytesOf(head, text, size, name, 'value');
  if (text === '') return { value, mask: new Uint8Array(size) };
  if (slash < 0) return { value, mask: new Uint8Array(size).fill(0xff) };
  const tail = text.slice(slash + 1);
  if (tail === '') throw bad(text, `bad syntax for ${name} mask`);
  return { value, mask: bytesOf(tail, text, size, name, 'mask') };
}

function parseEthernet(text: string): FieldText {
  const [value, mask, more] = text.split('/');
  const v = macBytes(value ?? '');
  const m = mask === undefined ? new Uint8Array(6).fill(0xff) : macBytes(mask);
  if (!v || !m || more !== undefined) throw bad(text, 'invalid Ethernet address');
  return { value: v, mask: m };
}

function macBytes(text: string): Uint8Array | undefined {
  if (!/^[0-9a-fA-F]+(:[0-9a-fA-F]+){5}$/.test(text)) return undefined;
  const bytes = text.split(':').map((group) => Number.parseInt(group, 16));
  return bytes.every((b) => b <= 255) ? Uint8Array.from(bytes) : undefined;
}

function parseIpv4Masked(text: string): FieldText {
  // Most are one address, as everybody writes it.
  const plain = parseIpv4(text);
  if (plain !== undefined) return exact(plain, 4);
  const [address, mask, more] = text.split('/');
  const value = ipv4Bytes(address ?? '');
  if (!value || more !== undefined) throw bad(text, 'invalid IP address');
  if (mask === undefined) return { value, mask: new Uint8Array(4).fill(0xff) };
  const bytes = ipv4Bytes(mask);
  if (bytes) return { value, mask: bytes };
  const bits = Number.parseInt(mask, 10);
  if (Number.isNaN(bits)) throw bad(text, 'invalid IP address');
  const whole = prefix(bits, 4, text, 'IPv4');
  if (!/^[+-]?\d+$/.test(mask)) throw bad(text, 'invalid IP address');
  return { value, mask: whole };
}

function ipv4Bytes(text: string): Uint8Array | undefined {
  // As sscanf(3) with %hhu reads it: the low byte of each number counts.
  if (!/^\d+(\.\d+){3}$/.test(text)) return undefined;
  return Uint8Array.from(text.split('.'), (part) => Number(BigInt(part) & 0xffn));
}

function parseIpv6Masked(text: string): FieldText {
  const [address, mask, more] = text.split('/');
  const value = parseIpv6(address ?? '');
  if (!value || more !== undefined) throw bad(text, 'invalid IPv6 address');
  if (mask === undefined) return { value, mask: new Uint8Array(16).fill(0xff) };
  if (/^[+-]?\d+$/.test(mask)) return { value, mask: prefix(Number(mask), 16, text, 'IPv6') };
  const bytes = parseIpv6(mask);
  if (!bytes) throw bad(text, 'invalid IPv6 address');
  return { value, mask: bytes };
}

function prefix(bits: number, size: number, text: string, family: string): Uint8Array {
  if (bits < 0 || bits > 8 * size) {
    throw bad(text, `${family} network prefix bits not between 0 and ${8 * size}, inclusive`);
  }
  const mask = new Uint8Array(size);
  for (let i = 0; i < bits; i++) mask[i >> 3]! |= 0x80 >> (i & 7);
  return mask;
}

function parsePortField(field: Field, size: number, text: string, names?: PortNames): FieldText {
  const port = parsePort(text, names);
  if (field.format === 'OpenFlow 1.0 port') {
    if (text === '') return { value: new Uint8Array(size), mask: new Uint8Array(size) };
    if (port === undefined) throw bad(text, `invalid or unknown port for ${field.name}`);
    return exact(port, size);
  }
  if (port === undefined) throw bad(text, `port value out of range for ${field.name}`);
  return exact(ofp10PortToOfp11(port), size);
}

/** `(ns,type)`; what follows is ignored. */
function parsePacketType(text: string): number {
  if (!text.startsWith('(')) throw bad(text, "bad syntax for packet type missing '('");
  const rest = text.slice(1);
  const [ns, afterNs] = number16(rest, 'ns');
  if (!afterNs.startsWith(',')) throw bad(rest, "bad syntax for packet type missing ','");
  const [type, afterType] = number16(afterNs.slice(1), 'ns_type');
  if (!afterType.startsWith(')'))
    throw bad(afterNs.slice(1), "bad syntax for packet type missing ')'");
  return ns * 0x1_0000 + type;
}

function number16(text: string, what: string): [value: number, rest: string] {
  const m = /^(0[xX][0-9a-fA-F]+|\d+)/.exec(text);
  const value = m ? Number(m[1]) : -1;
  if (!m || value > 0xffff) throw bad(text, `bad syntax for packet type ${what}`);
  return [value, text.slice(m[1]!.length)];
}

/** `0x12[/0x3f]`, `a|b`, `+a-b`. */
function parseFlags(flags: FlagNames, size: number, text: string): FieldText {
  const none = { value: new Uint8Array(size), mask: new Uint8Array(size) };
  if (text === '') return none;
  const numbers = /^(0[xX][0-9a-fA-F]+|\d+)(?:\/(0[xX][0-9a-fA-F]+|\d+))?$/.exec(text);
  let value = 0;
  let mask: number | undefined;
  if (numbers) {
    value = Number(numbers[1]);
    if (numbers[2] !== undefined) mask = Number(numbers[2]);
    if (((value | (mask ?? 0)) & ~flags.all) !== 0) throw bad(text, `unknown ${flags.what}(s)`);
  } else if (/^[+-]/.test(text)) {
    ({ value, mask } = parseSigned(flags, text));
  } else {
    for (const name of text.split('|')) value |= 1 << flagBit(flags, name, text);
  }
  return { value: toBytes(BigInt(value), size), mask: flagMask(flags, mask, size) };
}

/** A mask of all TCP flags is an exact one; so is that of any flags where none is given. */
function flagMask(flags: FlagNames, mask: number | undefined, size: number): Uint8Array {
  if (mask === undefined || (mask === flags.all && flags === TCP_FLAGS))
    return new Uint8Array(size).fill(0xff);
  return toBytes(BigInt(mask), size);
}

function parseSigned(flags: FlagNames, text: string): { value: number; mask: number } {
  let value = 0;
  let mask = 0;
  let rest = text;
  while (rest !== '') {
    const m = /^([+-])([^+-]*)/.exec(rest);
    if (!m) break;
    rest = rest.slice(m[0].length);
    const bit = 1 << flagBit(flags, m[2]!, m[2]!);
    if ((mask & bit) !== 0) {
      throw bad(m[2]!, `Each ${flags.what} can be specified only once`);
    }
    mask |= bit;
    if (m[1] === '+') value |= bit;
  }
  return { value, mask };
}

function flagBit(flags: FlagNames, name: string, text: string): number {
  const bit = flags.names.indexOf(name);
  if (bit < 0 || name === '') throw bad(text, `unknown ${flags.what}(s)`);
  return bit;
}

const FRAGS: Readonly<Record<string, readonly [value: number, mask: number]>> = {
  no: [0, 0xff],
  yes: [1, 1],
  first: [1, 0xff],
  later: [3, 0xff],
  not_later: [0, 2],
};

function parseFrag(text: string): FieldText {
  const name = text.toLowerCase();
  const frag = Object.hasOwn(FRAGS, name) ? FRAGS[name] : undefined;
  if (frag === undefined) {
    const valid = 'valid types are "no", "yes", "first", "later", "not_later"';
    throw bad(text === '' ? '0/0' : text, `unknown fragment type (${valid}`);
  }
  return { value: Uint8Array.of(frag[0]), mask: Uint8Array.of(frag[1]) };
}

/** The value, and the mask unless it is exact, as `set_field` shows them. */
export function formatFieldText(
  field: Field,
  value: Uint8Array,
  mask?: Uint8Array,
  names?: PortNames,
): string {
  const m = mask && !isAll(mask, 0xff) ? mask : undefined;
  if (m && isAll(m, 0)) return 'ANY';
  const n = (bytes: Uint8Array) => Number(fromBytes(bytes, 0, Math.min(bytes.length, 6)));
  switch (field.format) {
    case 'decimal':
    case 'hexadecimal':
      return formatInteger(field, value, m);
    case 'Ethernet':
      return m ? `${formatMac(n(value))}/${formatMac(n(m))}` : formatMac(n(value));
    case 'IPv4':
      return m ? formatIpv4Masked(n(value), n(m)) : formatIpv4(n(value));
    case 'IPv6':
      return m ? `${formatIpv6(value)}/${prefixOf(m) ?? formatIpv6(m)}` : formatIpv6(value);
    case 'OpenFlow 1.0 port':
      return formatPort(n(value), names);
    case 'OpenFlow 1.1+ port':
      return formatPort(ofp11PortToOfp10(n(value)) ?? 0, names);
    case 'packet type':
      return formatPacketType(n(value));
    case 'ct state':
      return formatFlagsMasked(CT_STATE, n(value), m ? n(m) : 0xffff_ffff, '[Unknown]');
    case 'tunnel flags':
      return formatFlagField(TUN_FLAGS, n(value), m && n(m));
    case 'TCP flags':
      return formatFlagField(TCP_FLAGS, n(value), m && n(m));
    case 'frag':
      return formatFrag(n(value), m ? n(m) : 0xff);
  }
}

function formatFlagField(flags: FlagNames, value: number, mask: number | undefined): string {
  if (mask === undefined || (mask & flags.all) === flags.all) return formatFlags(flags, value);
  return formatFlagsMasked(flags, value, mask);
}

function formatFrag(value: number, mask: number): string {
  for (const [name, [v, m]] of Object.entries(FRAGS)) {
    if ((m & 3) === (mask & 3) && v === value) return name;
  }
  return '<error>';
}

function formatInteger(field: Field, value: Uint8Array, mask: Uint8Array | undefined): string {
  if (!mask && field.format === 'decimal') return String(fromBytes(value, 0, value.length));
  const hex = (bytes: Uint8Array) => `0x${fromBytes(bytes, 0, bytes.length).toString(16)}`;
  return mask ? `${hex(value)}/${hex(mask)}` : hex(value);
}
