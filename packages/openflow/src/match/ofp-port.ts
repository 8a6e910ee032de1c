/** OpenFlow ports: numbers of 16 and of 32 bits, names, text (ovs-ofctl(8), "PORT"). */
import {
  OFPP_ALL,
  OFPP_CONTROLLER,
  OFPP_FLOOD,
  OFPP_IN_PORT,
  OFPP_LOCAL,
  OFPP_MAX,
  OFPP_NONE,
  OFPP_NORMAL,
  OFPP_TABLE,
  OFPP_UNSET,
} from '../constants.ts';
import { quickDecimal } from './quick-decimal.ts';

/** What a switch's ports are called. */
export interface PortNames {
  nameOf(port: number): string | undefined;
  portOf(name: string): number | undefined;
}

const OFPP11_MAX = 0xffff_ff00;
const OFPP11_OFFSET = OFPP11_MAX - OFPP_MAX;

/** undefined when the number has no 16-bit form. */
export function ofp11PortToOfp10(port: number): number | undefined {
  if (port < OFPP_MAX) return port;
  return port >= OFPP11_MAX ? port - OFPP11_OFFSET : undefined;
}

export function ofp10PortToOfp11(port: number): number {
  return port < OFPP_MAX ? port : port + OFPP11_OFFSET;
}

const RESERVED: readonly (readonly [name: string, port: number])[] = [
  ['IN_PORT', OFPP_IN_PORT],
  ['TABLE', OFPP_TABLE],
  ['NORMAL', OFPP_NORMAL],
  ['FLOOD', OFPP_FLOOD],
  ['ALL', OFPP_ALL],
  ['CONTROLLER', OFPP_CONTROLLER],
  ['LOCAL', OFPP_LOCAL],
  ['ANY', OFPP_NONE],
  ['UNSET', OFPP_UNSET],
];
const reservedNames = new Map(RESERVED.map(([name, port]) => [port, name]));
const reservedPorts = new Map<string, number>([...RESERVED, ['NONE', OFPP_NONE]]);

/** A number, a reserved port's name, or the port's own name where `names` has one. */
export function formatPort(port: number, names?: PortNames): string {
  const reserved = reservedNames.get(port);
  if (reserved !== undefined) return reserved;
  const name = names?.nameOf(port);
  return name === undefined ? String(port) : quoteName(name);
}

/** Names that could be read as something else stand in quotes. */
export function quoteName(name: string): string {
  return /^[A-Za-z_][A-Za-z0-9_.-]*$/.test(name) && !reservedPorts.has(name.toUpperCase())
    ? name
    : JSON.stringify(name);
}

/** Decimal numbers, reserved names in any case, names of ports, quoted or not. */
export function parsePort(text: string, names?: PortNames): number | undefined {
  const decimal = quickDecimal(text);
  if (decimal >= 0) return parsePortNumber(decimal);
  if (/^[+-]?\d+$/.test(text)) return parsePortNumber(Number(text));
  const reserved = reservedPorts.get(text.toUpperCase());
  if (reserved !== undefined) return reserved;
  return names?.portOf(unquote(text));
}

function parsePortNumber(number: number): number | undefined {
  if (number < 0) return undefined;
  if (number < OFPP_MAX) return number;
  if (number <= 0xffff) return number;
  return number >= OFPP11_MAX && number <= 0xffff_ffff ? number - OFPP11_OFFSET : undefined;
}

function unquote(text: string): string {
  if (!text.startsWith('"')) return text;
  try {
    return JSON.parse(text) as string;
  } catch {
    return text;
  }
}
