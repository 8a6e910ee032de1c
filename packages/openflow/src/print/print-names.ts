/** What ports and tables are called, numbers and bits in messages. */
import { formatTable, type TableNames } from '../actions/table-names.ts';
import { OFPG_ALL, OFPG_ANY } from '../constants.ts';
import type { Colors } from '../match/colors.ts';
import { formatPort, type PortNames } from '../match/ofp-port.ts';

/** Numbers stand where there is no name; without colors the text is plain. */
export interface PrintNames {
  readonly ports?: PortNames | undefined;
  readonly tables?: TableNames | undefined;
  readonly colors?: Colors | undefined;
}

export function port(number: number, names: PrintNames): string {
  return formatPort(number, names.ports);
}

export function table(id: number, names: PrintNames): string {
  return formatTable(id, names.tables);
}

export function group(id: number): string {
  if (id === OFPG_ALL) return 'ALL';
  return id === OFPG_ANY ? 'ANY' : String(id);
}

export function queue(id: number): string {
  return id === 0xffff_ffff ? 'ALL' : String(id);
}

/** C's `%#x`. */
export function hexOrZero(value: number | bigint): string {
  return Number(value) === 0 ? '0' : `0x${value.toString(16)}`;
}

/** Whole seconds, milliseconds, or as many digits as it takes. */
export function duration(sec: number, nsec: number): string {
  if (nsec === 0) return `${sec}s`;
  if (nsec % 1_000_000 === 0) return `${sec}.${String(nsec / 1_000_000).padStart(3, '0')}s`;
  return `${sec}.${String(nsec).padStart(9, '0').replace(/0+$/, '')}s`;
}

export type Bit = readonly [bit: number, name: string];

/** Names of the bits that are set, the rest in hexadecimal; "0" for none. */
export function bits(value: number, names: readonly Bit[], separator = ' '): string {
  if (value === 0) return '0';
  const out: string[] = [];
  let rest = value;
  for (const [bit, name] of names) {
    if ((rest & bit) === 0) continue;
    out.push(name);
    rest &= ~bit;
  }
  if (rest !== 0) out.push(`0x${(rest >>> 0).toString(16)}`);
  return out.join(separator);
}

/** A counter that the switch may not have. */
export function counter(value: bigint): string {
  return value === 0xffff_ffff_ffff_ffffn ? '?' : String(value);
}
