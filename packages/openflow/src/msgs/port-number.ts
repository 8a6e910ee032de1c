/** Ports have 16 bits in OpenFlow 1.0 and 32 since. */
import type { ByteWriter } from '../actions/byte-writer.ts';
import { OfpError } from '../errors.ts';
import { ofp10PortToOfp11, ofp11PortToOfp10 } from '../match/ofp-port.ts';
import type { Reader } from './reader.ts';

export function pullPort11(r: Reader): number {
  const port = ofp11PortToOfp10(r.u32());
  if (port === undefined) throw new OfpError('OFPBAC_BAD_OUT_PORT');
  return port;
}

export function putPort11(w: ByteWriter, port: number): void {
  w.u32(ofp10PortToOfp11(port));
}
