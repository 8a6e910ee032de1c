/**
 * What control connections of FTP (RFC 959, RFC 2428) announce: PORT and EPRT of the client, 227 and
 * 229 of the server, where they begin a segment's data.
 */
import { formatIpv4, formatIpv6, parseIpv4, parseIpv6 } from '@heddle/packet';

/** So much of a segment's data is looked at. */
export const FTP_TEXT_MAX = 127;

export interface FtpAnnouncement {
  /** As many as the text has: 229 names none. */
  readonly address: Uint8Array | undefined;
  /** 0: none is to come. */
  readonly port: number;
  /** Which part of the text names both. */
  readonly at: number;
  readonly end: number;
  /** That part for another address and port. */
  write(address: Uint8Array, port: number): string;
}

export interface FtpSide {
  readonly isReply: boolean;
  readonly v6: boolean;
}

/**
 * `invalid`: a text that should announce a connection and cannot be read, or is cut off. Undefined
 * for all other data. Text is latin1.
 */
export function parseFtp(data: string, side: FtpSide): FtpAnnouncement | 'invalid' | undefined {
  const parse = parserOf(data, side);
  if (!parse) return undefined;
  const text = data.slice(0, FTP_TEXT_MAX).replace(/[\r\n\0].*$/s, '');
  // A number that ends where the text is cut may have more digits.
  const isCut = text.length === Math.min(data.length, FTP_TEXT_MAX);
  const found = parse(text, side);
  return !found || (isCut && found.end === text.length) ? 'invalid' : found;
}

type Parser = (text: string, side: FtpSide) => FtpAnnouncement | undefined;

function parserOf(data: string, { isReply, v6 }: FtpSide): Parser | undefined {
  if (data.length < 5) return undefined;
  if (isReply) {
    if (data.startsWith('229')) return parse229;
    return !v6 && data.startsWith('227') ? parsePort : undefined;
  }
  const word = data.slice(0, 4).toUpperCase();
  if (word === 'EPRT') return parseEprt;
  return !v6 && word === 'PORT' ? parsePort : undefined;
}

const ADDRESS_BYTE = '(0|[1-9]\\d{0,2})';
/** From behind the first space on: six decimal bytes. The words of 227 are free (RFC 1123, 4.1.2.6). */
const PORT = new RegExp(`^[^ ]* [^\\d]*(${Array(4).fill(ADDRESS_BYTE).join(',')},(\\d+),(\\d+))`);

function parsePort(text: string): FtpAnnouncement | undefined {
  const m = PORT.exec(text);
  if (!m) return undefined;
  const bytes = m.slice(2).map(Number);
  if (bytes.some((b) => b > 255)) return undefined;
  return {
    address: Uint8Array.from(bytes.slice(0, 4)),
    port: bytes[4]! * 256 + bytes[5]!,
    at: m[0].length - m[1]!.length,
    end: m[0].length,
    write: (address, port) => [...address, port >>> 8, port & 255].join(','),
  };
}

/** RFC 2428, 2: a delimiter of one's choice around protocol, address and port. */
const EPRT = /^eprt[^\d]*?((\d)([^\d\s])([\da-f:.]+)\3(\d+))/i;

function parseEprt(text: string, { v6 }: FtpSide): FtpAnnouncement | undefined {
  const m = EPRT.exec(text);
  if (!m || m[2] !== (v6 ? '2' : '1')) return undefined;
  const delimiter = m[3]!;
  const address = v6 ? parseIpv6(m[4]!) : ipv4Bytes(m[4]!);
  const port = Number(m[5]!);
  if (!address || port > 65535) return undefined;
  return {
    address,
    port,
    at: m[0].length - m[1]!.length,
    end: m[0].length,
    write: (to, toPort) => [m[2], formatAddress(to), toPort].join(delimiter),
  };
}

/** RFC 2428, 3. */
const EPSV = /^229[^(]*\(([^\d\s])\1\1\s*(\d+)/;

function parse229(text: string): FtpAnnouncement | undefined {
  const m = EPSV.exec(text);
  const port = Number(m?.[2]);
  if (!m || port > 65535) return undefined;
  return {
    address: undefined,
    port,
    at: m[0].length - m[2]!.length,
    end: m[0].length,
    write: (_, toPort) => String(toPort),
  };
}

/** 4 or 16 bytes. */
function formatAddress(address: Uint8Array): string {
  if (address.length === 16) return formatIpv6(address);
  return formatIpv4(new DataView(address.buffer, address.byteOffset, 4).getUint32(0));
}

function ipv4Bytes(text: string): Uint8Array | undefined {
  const ip = parseIpv4(text);
  return ip === undefined
    ? undefined
    : Uint8Array.of(ip >>> 24, (ip >>> 16) & 255, (ip >>> 8) & 255, ip & 255);
}
