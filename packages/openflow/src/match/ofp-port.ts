/** OpenFlow ports: numbers of 16 and of 32 bits, names, text (ovs-ofctl(8), "PORT"). */

import { vlog } from '@heddle/runtime';
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
import { quickDecimal } from './quick-number.ts';

const log = vlog.module('ofp_port');

/** What a switch's ports are called. */
export interface PortNames {
  nameOf(port: number): string | undefined;
  portOf(name: string): number | undefined;
}

const OFPP11_MAX = 0xffff_ff00;
const OFPP11_OFFSET = OFPP11_MAX - OFPP_MAX;

/** undefined when the number has no 16-bit form, of which the log is told. */
export function ofp11PortToOfp10(port: number): number | undefined {
  if (port < OFPP_MAX) return port;
  if (port >= OFPP11_MAX) return port - OFPP11_OFFSET;
  const valid = `0 through ${OFPP_MAX - 1} or 0xffffff00 through 0xffffffff`;
  log.rl.warn(`port ${port} is outside the supported range ${valid}`);
  return undefined;
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
  if (/^-\d+$/.test(text)) {
    log.rl.warn(`Negative value ${text} is not a valid port number.`);
    return undefined;
  }
  if (/^\+?\d+$/.test(text)) return parsePortNumber(Number(text));
  const reserved = reservedPorts.get(text.toUpperCase());
  if (reserved !== undefined) return reserved;
  return names?.portOf(unquote(text));
}

/** Numbers that say something else in later versions, or nothing, are told of in the log. */
function parsePortNumber(number: number): number | undefined {
  if (number < OFPP_MAX) return number < 0 ? undefined : number;
  if (number <= 0xffff) {
    log.rl.warn(reservedNumber(number));
    return number;
  }
  if (number >= OFPP11_MAX && number <= 0xffff_ffff) return number - OFPP11_OFFSET;
  if (number > 0xffff_ffff) return undefined;
  const valid = '0 through ffff or 0xffffff00 through 0xffffffff';
  log.rl.warn(`port ${number} is outside the supported range ${valid}`);
  return undefined;
}

function reservedNumber(number: number): string {
  const name = reservedNames.get(number);
  if (name === undefined) {
    const later = `translated to ${ofp10PortToOfp11(number)} when talking to an OF1.1 or later controller`;
    return `port ${number} is a reserved OF1.0 port number that will be ${later}`;
  }
  return `referring to port ${name} as ${number} is deprecated for compatibility with OpenFlow 1.1 and later`;
}

function unquote(text: string): string {
  if (!text.startsWith('"')) return text;
  try {
    return JSON.parse(text) as string;
  } catch {
    return text;
  }
}
