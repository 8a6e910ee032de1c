/** What the interface inside should be, from the texts of a command line. */
import { parseIpv4, parseIpv6, parseMac } from '@heddle/packet';
import { AttachError } from './errors.ts';

export interface Prefix {
  /** 4 or 6. */
  readonly family: 4 | 6;
  readonly address: string;
  readonly length: number;
}

export interface InsideConfig {
  readonly interfaceName: string;
  readonly addresses: readonly Prefix[];
  /** Default gateways. */
  readonly gateways: readonly Prefix[];
  readonly mac?: string;
  readonly mtu?: number;
}

export interface InsideTexts {
  address?: string;
  address6?: string;
  gateway?: string;
  gateway6?: string;
  mac?: string;
  mtu?: string;
}

export function insideConfig(interfaceName: string, texts: InsideTexts): InsideConfig {
  const { address, address6, gateway, gateway6, mac, mtu } = texts;
  return {
    interfaceName,
    addresses: [address, address6].filter(isGiven).map(parsePrefix),
    gateways: [gateway, gateway6].filter(isGiven).map(parsePrefix),
    ...(isGiven(mac) ? { mac: checkMac(mac) } : {}),
    ...(isGiven(mtu) ? { mtu: checkMtu(mtu) } : {}),
  };
}

function isGiven(text: string | undefined): text is string {
  return text !== undefined && text !== '';
}

/** `ADDRESS[/LEN]`; without a length, the whole address, as ip-address(8) has it. */
export function parsePrefix(text: string): Prefix {
  const [address = '', lengthText, ...rest] = text.split('/');
  const family = parseIpv4(address) !== undefined ? 4 : parseIpv6(address) !== undefined ? 6 : 0;
  const widest = family === 4 ? 32 : 128;
  const length = lengthText === undefined ? widest : Number(lengthText);
  const numeric = lengthText === undefined || /^\d{1,3}$/.test(lengthText);
  if (family === 0 || rest.length > 0 || !numeric || length > widest) {
    throw new AttachError(`"${text}" is not an address with an optional /PREFIX-LENGTH`);
  }
  return { family, address, length };
}

export function checkMac(text: string): string {
  const mac = parseMac(text);
  if (mac === undefined) throw new AttachError(`"${text}" is not a MAC address`);
  const first = Number.parseInt(text, 16);
  if (first & 1)
    throw new AttachError(`"${text}" is a multicast address: no interface can have it`);
  return text;
}

export function checkMtu(text: string): number {
  const mtu = Number(text);
  if (/^\d+$/.test(text) && mtu >= 68 && mtu <= 65535) return mtu;
  throw new AttachError(`"${text}" is not an MTU (68 to 65535)`);
}
