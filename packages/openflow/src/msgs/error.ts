/**
 * Error messages (OpenFlow 1.3.5 section 7.5.4). A vendor's errors travel as OFPET_EXPERIMENTER since
 * OpenFlow 1.2; before, as Nicira's extension with a vendor, a type and a code of its own.
 */
import { vlog } from '@heddle/runtime';
import type { OfpVersion } from '../constants.ts';
import { OfpError } from '../errors.ts';
import type { OfpMessage } from '../messages.ts';
import { ERRORS } from './errors-table.ts';
import { type AnyForm, form, NX_VENDOR_ID, ONF_VENDOR_ID } from './form.ts';

const log = vlog.module('ofp_errors');

export interface WireError {
  /** undefined for a standard error. */
  readonly vendor: number | undefined;
  readonly type: number;
  readonly code: number;
}

const NXET_VENDOR = 0xb0c2;
const OFPET_EXPERIMENTER = 0xffff;
const OFP12_VERSION = 3;
const MAX_LENGTH = 0xffff;

const toWire = new Map<string, WireError>();
const toName = new Map<string, string>();

for (const [name, wire] of ERRORS) {
  for (const [, since, until, vendorName, type, code] of wire.matchAll(
    /(\d)(?:-(\d))?:([no]?)(\d+),(\d+)/g,
  )) {
    const vendor = { n: NX_VENDOR_ID, o: ONF_VENDOR_ID }[vendorName ?? ''];
    const error = { vendor, type: Number(type), code: Number(code) };
    for (let version = Number(since); version <= Number(until ?? since); version++) {
      toWire.set(`${version}:${name}`, error);
      // OpenFlow 1.1 has one number for two names.
      const key = nameKey(version, error);
      if (!toName.has(key)) toName.set(key, name);
    }
  }
}

function nameKey(version: number, { vendor, type, code }: WireError): string {
  return `${version}:${vendor ?? 0}:${type}:${code}`;
}

/** undefined when the version has no such error. */
export function errorNumbers(ofpErr: string, version: OfpVersion): WireError | undefined {
  return toWire.get(`${version}:${ofpErr}`);
}

/** As `errorNumbers`, but NXBRC_UNENCODABLE_ERROR for what the version has no error for. */
export function errorToWire(ofpErr: string, version: OfpVersion): WireError {
  return errorNumbers(ofpErr, version) ?? errorNumbers('NXBRC_UNENCODABLE_ERROR', version)!;
}

/** undefined for an error that the version does not know. */
export function errorName(
  version: OfpVersion,
  vendor: number | undefined,
  type: number,
  code: number,
): string | undefined {
  return toName.get(nameKey(version, { vendor, type, code }));
}

/** All names, for `print-error` and its like. */
export function isErrorName(name: string): boolean {
  return ERRORS.some(([known]) => known === name);
}

/** The reply to `request`, which has at least a header: it quotes all that fits. */
export function errorReply(ofpErr: string, asked: OfpVersion, request: Uint8Array): OfpMessage {
  const isKnown = asked >= 1 && asked <= 6;
  if (!isKnown) {
    const hex = (asked as number).toString(16).padStart(2, '0');
    log.rl.err(`cannot encode error for unknown OpenFlow version 0x${hex}`);
  }
  const version = isKnown ? asked : 1;
  const xid = new DataView(request.buffer, request.byteOffset).getUint32(4);
  if (isKnown && !errorNumbers(ofpErr, version)) {
    log.rl.err(`cannot encode ${ofpErr} for OpenFlow 1.${version - 1}`);
  }
  const { vendor, type, code } = errorToWire(ofpErr, version);
  const header = vendor === undefined ? 12 : version < OFP12_VERSION ? 20 : 16;
  const data = request.slice(0, MAX_LENGTH - header);
  const base = { version, xid, type: 'error', errorType: type, code, data } as const;
  return vendor === undefined ? base : { ...base, vendor };
}

const error = form<'error'>({
  type: 'error',
  name: 'OFPT_ERROR',
  since: 1,
  until: 6,
  wire: { ofpt: 1 },
  min: 4,
  step: 1,
  decode: (r) => {
    const type = r.u16();
    const code = r.u16();
    if (type === NXET_VENDOR && code === 0) {
      const vendor = r.u32();
      const errorType = r.u16();
      return { vendor, errorType, code: r.u16(), data: r.bytes() };
    }
    if (type === OFPET_EXPERIMENTER) {
      return { vendor: r.u32(), errorType: code, code: 0, data: r.bytes() };
    }
    return { errorType: type, code, data: r.bytes() };
  },
  encode: (w, { version, vendor, errorType, code, data }) => {
    if (vendor === undefined) {
      w.u16(errorType);
      w.u16(code);
    } else if (version < OFP12_VERSION) {
      w.u16(NXET_VENDOR);
      w.u16(0);
      w.u32(vendor);
      w.u16(errorType);
      w.u16(code);
    } else {
      if (code !== 0) throw new OfpError('NXBRC_UNENCODABLE_ERROR');
      w.u16(OFPET_EXPERIMENTER);
      w.u16(errorType);
      w.u32(vendor);
    }
    w.bytes(data);
  },
});

export const ERROR_FORMS: readonly AnyForm[] = [error];
