/** Port numbers between OpenFlow 1.0's 16 bits and the 32 bits of later versions. */
import { OFPP_MAX } from '../constants.ts';

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
