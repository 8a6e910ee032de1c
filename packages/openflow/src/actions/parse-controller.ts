/** NXAST_CONTROLLER and NXAST_CONTROLLER2, whose properties are optional (nicira-ext.h). */
import { OfpError } from '../errors.ts';
import type { OfpAct } from '../ofp-actions.ts';
import { expectZero } from './field-header.ts';
import type { RawContext } from './parse-actions.ts';

export const NXAC2PT = {
  maxLen: 0,
  controllerId: 1,
  reason: 2,
  userdata: 3,
  pause: 4,
  meterId: 5,
} as const;

export function parseController({ u8, dv, o }: RawContext): OfpAct {
  return {
    type: 'controller',
    maxLen: dv.getUint16(o + 10),
    controllerId: dv.getUint16(o + 12),
    reason: u8[o + 14]!,
  };
}

/** A property is 4 bytes of type and length, then data, zeros up to 8. */
export function parseController2(c: RawContext): OfpAct {
  const { u8, dv, o, end } = c;
  expectZero(u8, o + 10, o + 16, 'NXBRC_MUST_BE_ZERO');
  let maxLen = 0xffff;
  let controllerId = 0;
  let reason = OFPR_ACTION;
  let userdata: Uint8Array | undefined;
  let pause = false;
  let meter: number | undefined;
  for (let p = o + 16; p < end; ) {
    const length = propertyLength(dv, p, end);
    const type = dv.getUint16(p);
    if (type === NXAC2PT.maxLen) maxLen = number(c, p, length, 2);
    else if (type === NXAC2PT.controllerId) controllerId = number(c, p, length, 2);
    else if (type === NXAC2PT.reason) reason = number(c, p, length, 1);
    else if (type === NXAC2PT.userdata) userdata = u8.slice(p + 4, p + length);
    else if (type === NXAC2PT.pause) pause = true;
    else if (type === NXAC2PT.meterId) meter = meterId(c, p, length);
    else throw new OfpError('OFPBPC_BAD_TYPE');
    p += (length + 7) & ~7;
  }
  return {
    type: 'controller',
    maxLen,
    controllerId,
    reason,
    ...(userdata && { userdata }),
    ...(pause && { pause }),
    ...(meter !== undefined && { meter }),
    ...(!needsController2({ userdata, pause, meter }) && { compat: 'controller2' }),
  };
}

export const OFPR_ACTION = 1;

/** Whether NXAST_CONTROLLER, which is shorter, cannot say it. */
export function needsController2(act: {
  readonly userdata?: Uint8Array | undefined;
  readonly pause?: boolean;
  readonly meter?: number | undefined;
}): boolean {
  return Boolean(act.userdata?.length || act.pause) || act.meter !== undefined;
}

function propertyLength(dv: DataView, p: number, end: number): number {
  if (p + 4 > end) throw new OfpError('OFPBPC_BAD_LEN');
  const length = dv.getUint16(p + 2);
  if (length < 4 || p + ((length + 7) & ~7) > end) throw new OfpError('OFPBPC_BAD_LEN');
  return length;
}

/** 0 stands for none. */
function meterId(c: RawContext, p: number, length: number): number | undefined {
  if (length !== 8) throw new OfpError('OFPBPC_BAD_LEN');
  return number(c, p, length, 4) || undefined;
}

function number({ u8, dv }: RawContext, p: number, length: number, n: 1 | 2 | 4): number {
  // Upstream writes 5 bytes for an u8 and 8 for an u16, and reads any length that is enough.
  if (length < 4 + n) throw new OfpError('OFPBPC_BAD_LEN');
  return n === 1 ? u8[p + 4]! : n === 2 ? dv.getUint16(p + 4) : dv.getUint32(p + 4);
}
