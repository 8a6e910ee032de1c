/** NXM and OXM entries as `ovs-ofctl parse-nx-match` and `parse-oxm` write them. */
import { HeddleError } from '@heddle/runtime';
import {
  codePointByName,
  type FieldHeader,
  isCookie,
  parseFieldHeader,
  writeHeader,
} from './oxm-header.ts';

/** `NXM_OF_ETH_TYPE(0800), NXM_OF_IP_SRC_W(c0a80100/ffffff00)`, `<any>` for none. */
export function formatOxm(bytes: Uint8Array): string {
  if (bytes.length === 0) return '<any>';
  const parts: string[] = [];
  for (let off = 0; off < bytes.length; ) {
    const header = parseFieldHeader(bytes, off);
    const at = off + header.headerLength;
    const { payloadLength: length, hasMask } = header;
    if (at + length > bytes.length) {
      return `${parts.join(', ')}, <error>, ${bytes.length - off} leftover bytes`;
    }
    const hex = (from: number, to: number) => Buffer.from(bytes.subarray(from, to)).toString('hex');
    const middle = hasMask ? at + header.size : at + length;
    const mask = hasMask ? `/${hex(middle, at + length)}` : '';
    parts.push(`${headerName(header)}(${hex(at, middle)}${mask})`);
    off = at + length;
  }
  return parts.join(', ');
}

function headerName(header: FieldHeader): string {
  const name = isCookie(header) ? 'NXM_NX_COOKIE' : header.point?.name;
  if (name !== undefined) return header.hasMask ? `${name}_W` : name;
  const { cls, number, hasMask, payloadLength, vendor } = header;
  const mask = hasMask ? 1 : 0;
  if (cls !== 0xffff) return `${cls}:${number}${mask ? ':1' : ''}`;
  return `${vendor}:${cls}:${number}:${mask}:${payloadLength + 4}`;
}

/** The reverse; entries may also be `HHHHHHHH(...)`, a header in hex. Throws HeddleError. */
export function parseOxmText(text: string): Uint8Array {
  const out: number[] = [];
  let rest = text;
  if (text.trim() === '<any>') return new Uint8Array();
  for (;;) {
    rest = rest.replace(/^[, ]+/, '');
    if (rest === '') return Uint8Array.from(out);
    const paren = rest.indexOf('(');
    const name = paren < 0 ? rest : rest.slice(0, paren);
    const close = rest.indexOf(')', paren);
    if (paren < 0) throw new HeddleError(`${text}: missing ( at end of nx_match`);
    if (close < 0) throw new HeddleError(`${text}: missing ) following field ${name}`);
    putEntry(out, name, rest.slice(paren + 1, close), text);
    rest = rest.slice(close + 1);
  }
}

function putEntry(out: number[], name: string, payload: string, text: string): void {
  const [value = '', mask] = payload.split('/');
  if (/^[0-9a-fA-F]{8}$/.test(name)) {
    out.push(...Buffer.from(name, 'hex'));
    const size = out.at(-1)!;
    const masked = (out.at(-2)! & 1) !== 0;
    out.push(...digits(value, masked ? size / 2 : size));
    if (masked) out.push(...digits(mask ?? '', size / 2));
    return;
  }
  const hasMask = name.endsWith('_W');
  const point = codePointByName(hasMask ? name.slice(0, -2) : name);
  if (point === undefined || (hasMask && !point.maskable)) {
    throw new HeddleError(`${text}: unknown field \`${name}'`);
  }
  const isVariable = point.field?.name.startsWith('tun_metadata') ?? false;
  const size = isVariable ? value.length / 2 : point.size;
  const header = new Uint8Array(8);
  out.push(...header.subarray(0, writeHeader(header, 0, point, hasMask, size)));
  out.push(...digits(value, size));
  if (hasMask && mask === undefined) {
    throw new HeddleError(`${text}: missing / in masked field ${name}`);
  }
  if (value.trim().length > 2 * size || (mask !== undefined && !hasMask)) {
    throw new HeddleError(`${text}: missing ) following field ${name}`);
  }
  if (hasMask) out.push(...digits(mask!, size));
}

function digits(text: string, size: number): Uint8Array {
  const bytes = Buffer.from(text.trim(), 'hex');
  if (bytes.length < size) {
    throw new HeddleError(`expected to read ${size} bytes but got ${bytes.length}`);
  }
  return bytes.subarray(0, size);
}
