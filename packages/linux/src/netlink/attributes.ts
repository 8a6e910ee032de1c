/**
 * Netlink attributes by declarative tables: `{ mtu: [4, 'u32'], linkinfo: [18, LINKINFO] }`. What a
 * table does not name survives a round trip in `unknown`. Values are host order unless `be`.
 */
import { DecodeError } from './decode-error.ts';

export type Kind =
  | 'u8'
  | 'u16'
  | 'be16'
  | 'u32'
  | 's32'
  | 'u64'
  | 'string'
  | 'mac'
  | 'bytes'
  | 'flag';
export interface Table {
  readonly [name: string]: readonly [type: number, kind: Kind | Table];
}

export interface UnknownAttribute {
  readonly type: number;
  readonly bytes: Uint8Array;
}

type Value<K> = K extends 'u8' | 'u16' | 'be16' | 'u32' | 's32'
  ? number
  : K extends 'u64'
    ? bigint
    : K extends 'string' | 'mac'
      ? string
      : K extends 'bytes'
        ? Uint8Array
        : K extends 'flag'
          ? true
          : K extends Table
            ? Attributes<K>
            : never;

/** What a table's attributes look like in JavaScript. */
export type Attributes<T extends Table> = { -readonly [N in keyof T]?: Value<T[N][1]> } & {
  unknown?: UnknownAttribute[];
};

const NLA_F_NESTED = 0x8000;
const NLA_TYPE_MASK = 0x3fff;
const HEADER = 4;
const NUMBER_BYTES: Partial<Record<Kind, number>> = {
  u8: 1,
  u16: 2,
  be16: 2,
  u32: 4,
  s32: 4,
  u64: 8,
};

export const align4 = (n: number): number => (n + 3) & ~3;

/** Walks the attributes in `[off, end)`. A length that leaves the range is a DecodeError. */
export function* walk(bytes: Uint8Array): Generator<UnknownAttribute> {
  const view = viewOf(bytes);
  let at = 0;
  while (bytes.length - at >= HEADER) {
    const length = view.getUint16(at, true);
    if (length < HEADER || length > bytes.length - at) {
      throw new DecodeError(`netlink attribute of length ${length} in ${bytes.length - at} bytes`);
    }
    yield { type: view.getUint16(at + 2, true), bytes: bytes.subarray(at + HEADER, at + length) };
    at += align4(length);
  }
}

export function parseAttributes<const T extends Table>(table: T, bytes: Uint8Array): Attributes<T> {
  const out: Record<string, unknown> = {};
  const unknown: UnknownAttribute[] = [];
  const byType = index(table);
  for (const attribute of walk(bytes)) {
    const entry = byType.get(attribute.type & NLA_TYPE_MASK);
    if (entry) out[entry[0]] = parseValue(entry[1], attribute.bytes);
    else unknown.push(attribute);
  }
  if (unknown.length > 0) out['unknown'] = unknown;
  return out as Attributes<T>;
}

const indexes = new WeakMap<Table, Map<number, [string, Kind | Table]>>();

function index(table: Table): Map<number, [string, Kind | Table]> {
  let map = indexes.get(table);
  if (!map) {
    map = new Map(Object.entries(table).map(([name, [type, kind]]) => [type, [name, kind]]));
    indexes.set(table, map);
  }
  return map;
}

function parseValue(kind: Kind | Table, bytes: Uint8Array): unknown {
  if (typeof kind === 'object') return parseAttributes(kind, bytes);
  if (bytes.length < (NUMBER_BYTES[kind] ?? 0)) {
    throw new DecodeError(`netlink attribute: ${bytes.length} bytes for a ${kind}`);
  }
  const view = viewOf(bytes);
  switch (kind) {
    case 'u8':
      return view.getUint8(0);
    case 'u16':
      return view.getUint16(0, true);
    case 'be16':
      return view.getUint16(0);
    case 'u32':
      return view.getUint32(0, true);
    case 's32':
      return view.getInt32(0, true);
    case 'u64':
      return view.getBigUint64(0, true);
    case 'string':
      return parseString(bytes);
    case 'mac':
      return Array.from(bytes, (b) => b.toString(16).padStart(2, '0')).join(':');
    case 'flag':
      return true;
    case 'bytes':
      return bytes.slice();
  }
}

export function parseString(bytes: Uint8Array): string {
  const nul = bytes.indexOf(0);
  return Buffer.from(bytes.subarray(0, nul < 0 ? bytes.length : nul)).toString();
}

/** The bytes of the attributes that are present, in the table's order, then the unknown ones. */
export function emitAttributes<const T extends Table>(table: T, values: Attributes<T>): Buffer {
  const chunks: Buffer[] = [];
  const present = values as Record<string, unknown>;
  for (const [name, [type, kind]] of Object.entries(table)) {
    const value = present[name];
    if (value === undefined) continue;
    const nested = typeof kind === 'object' ? NLA_F_NESTED : 0;
    chunks.push(emitAttribute(type | nested, emitValue(kind, value)));
  }
  for (const { type, bytes } of values.unknown ?? []) chunks.push(emitAttribute(type, bytes));
  return Buffer.concat(chunks);
}

function emitAttribute(type: number, payload: Uint8Array): Buffer {
  const out = Buffer.alloc(align4(HEADER + payload.length));
  out.writeUInt16LE(HEADER + payload.length, 0);
  out.writeUInt16LE(type, 2);
  out.set(payload, HEADER);
  return out;
}

function emitValue(kind: Kind | Table, value: unknown): Uint8Array {
  if (typeof kind === 'object') return emitAttributes(kind, value as Attributes<Table>);
  const out = Buffer.alloc(NUMBER_BYTES[kind] ?? 0);
  switch (kind) {
    case 'u8':
      out.writeUInt8(value as number);
      return out;
    case 'u16':
      out.writeUInt16LE(value as number);
      return out;
    case 'be16':
      out.writeUInt16BE(value as number);
      return out;
    case 'u32':
      out.writeUInt32LE(value as number);
      return out;
    case 's32':
      out.writeInt32LE(value as number);
      return out;
    case 'u64':
      out.writeBigUInt64LE(value as bigint);
      return out;
    case 'string':
      return Buffer.from(`${value as string}\0`);
    case 'mac':
      return Uint8Array.from((value as string).split(':'), (b) => Number.parseInt(b, 16));
    case 'flag':
      return out;
    case 'bytes':
      return value as Uint8Array;
  }
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
