/** The standard actions of OpenFlow 1.0 (OFPAT10_*) and of 1.1 and later (OFPAT11_*). */
import { OFPP_IN_PORT, OFPP_LOCAL, OFPP_MAX, type OfpVersion } from '../constants.ts';
import { OfpError } from '../errors.ts';
import { ofp11PortToOfp10 } from '../match/ofp-port.ts';
import type { OfpAct, Subfield } from '../ofp-actions.ts';
import { checkSubfieldBits, checkWritable, expectZero, parseFieldName } from './field-header.ts';
import type { RawAction, RawContext } from './parse-actions.ts';
import { parseSetField } from './parse-set-field.ts';

type Parse = RawAction['parse'];

function raw(
  length: number,
  parse: Parse,
  since: OfpVersion = 1,
  until: OfpVersion = 6,
): RawAction {
  return { since, until, length, variable: false, parse };
}

const LAST_11: OfpVersion = 6;

function outputAct(port: number, maxLen: number): OfpAct {
  const reserved = port >= OFPP_IN_PORT && port <= OFPP_LOCAL;
  if (port >= OFPP_MAX && !reserved) throw new OfpError('OFPBAC_BAD_OUT_PORT');
  return { type: 'output', port, maxLen };
}

/** OpenFlow 1.1+'s 32 bits to the 16 that a switch uses. */
export function port11(port: number): number {
  const port10 = ofp11PortToOfp10(port);
  if (port10 === undefined) throw new OfpError('OFPBAC_BAD_OUT_PORT');
  return port10;
}

const setVid: Parse = (c) => {
  const vid = c.dv.getUint16(c.o + 4);
  if (vid > 0xfff) throw new OfpError('OFPBAC_BAD_ARGUMENT');
  return { type: 'set_vlan_vid', vid, ...(c.version === 1 && { push: true }) };
};

const setPcp: Parse = (c) => {
  const pcp = c.u8[c.o + 4]!;
  if (pcp > 7) throw new OfpError('OFPBAC_BAD_ARGUMENT');
  return { type: 'set_vlan_pcp', pcp, ...(c.version === 1 && { push: true }) };
};

const dlSrc: Parse = (c) => ({ type: 'mod_dl_src', mac: mac(c) });
const dlDst: Parse = (c) => ({ type: 'mod_dl_dst', mac: mac(c) });
const nwSrc: Parse = (c) => ({ type: 'mod_nw_src', ip: c.dv.getUint32(c.o + 4) });
const nwDst: Parse = (c) => ({ type: 'mod_nw_dst', ip: c.dv.getUint32(c.o + 4) });
const tpSrc: Parse = (c) => ({ type: 'mod_tp_src', port: c.dv.getUint16(c.o + 4) });
const tpDst: Parse = (c) => ({ type: 'mod_tp_dst', port: c.dv.getUint16(c.o + 4) });

const nwTos: Parse = (c) => ({ type: 'mod_nw_tos', value: smallByte(c, 0xfc) });
const nwEcn: Parse = (c) => ({ type: 'mod_nw_ecn', value: smallByte(c, 0x03) });

function mac(c: RawContext): number {
  return c.dv.getUint16(c.o + 4) * 2 ** 32 + c.dv.getUint32(c.o + 6);
}

/** One byte of which only `bits` may be set. */
function smallByte(c: RawContext, bits: number): number {
  const value = c.u8[c.o + 4]!;
  if (value & ~bits) throw new OfpError('OFPBAC_BAD_ARGUMENT');
  return value;
}

function enqueue(c: RawContext): OfpAct {
  const port = c.dv.getUint16(c.o + 4);
  if (port >= OFPP_MAX && port !== OFPP_IN_PORT && port !== OFPP_LOCAL) {
    throw new OfpError('OFPBAC_BAD_OUT_PORT');
  }
  return { type: 'enqueue', port, queue: c.dv.getUint32(c.o + 12) };
}

export function pushVlan(ethertype: number): OfpAct {
  if (ethertype !== 0x8100 && ethertype !== 0x88a8) throw new OfpError('OFPBAC_BAD_ARGUMENT');
  return { type: 'push_vlan', ethertype };
}

export function pushMpls(ethertype: number): OfpAct {
  if (ethertype !== 0x8847 && ethertype !== 0x8848) throw new OfpError('OFPBAC_BAD_ARGUMENT');
  return { type: 'push_mpls', ethertype };
}

/** `n_bits`, the offsets and, `gap` bytes further, the headers: 1.5's layout and ONF's for 1.3. */
export function copyField(c: RawContext, o: number, gap: number): OfpAct {
  const { u8, dv, end } = c;
  const nBits = dv.getUint16(o);
  const src = parseFieldName(c, o + 6 + gap, end);
  const dst = parseFieldName(c, src.next, end);
  expectZero(u8, dst.next, end, 'NXBRC_MUST_BE_ZERO');
  return moveAct(
    { field: src.field, ofs: dv.getUint16(o + 2), nBits },
    { field: dst.field, ofs: dv.getUint16(o + 4), nBits },
  );
}

function moveAct(src: Subfield, dst: Subfield): OfpAct {
  checkSubfieldBits(src, 'source');
  checkSubfieldBits(dst, 'destination');
  checkWritable(dst);
  return { type: 'move', src, dst };
}

export const copyFieldOnf: RawAction = {
  since: 4,
  until: 5,
  length: 24,
  variable: true,
  parse: (c) => copyField(c, c.o + 12, 2),
};

export const OF10_ACTIONS: readonly (RawAction | undefined)[] = [
  raw(8, (c) => outputAct(c.dv.getUint16(c.o + 4), c.dv.getUint16(c.o + 6))),
  raw(8, setVid),
  raw(8, setPcp),
  raw(8, () => ({ type: 'strip_vlan' })),
  raw(16, dlSrc),
  raw(16, dlDst),
  raw(8, nwSrc),
  raw(8, nwDst),
  raw(8, nwTos),
  raw(8, tpSrc),
  raw(8, tpDst),
  raw(16, enqueue),
];

export const OF11_ACTIONS: readonly (RawAction | undefined)[] = [
  raw(16, (c) => outputAct(port11(c.dv.getUint32(c.o + 4)), c.dv.getUint16(c.o + 8))),
  raw(8, setVid),
  raw(8, setPcp),
  raw(16, dlSrc),
  raw(16, dlDst),
  raw(8, nwSrc),
  raw(8, nwDst),
  raw(8, nwTos),
  raw(8, nwEcn),
  raw(8, tpSrc),
  raw(8, tpDst),
  undefined,
  undefined,
  raw(8, (c) => ({ type: 'set_mpls_label', value: c.dv.getUint32(c.o + 4) })),
  raw(8, (c) => ({ type: 'set_mpls_tc', value: c.u8[c.o + 4]! })),
  raw(8, (c) => ({ type: 'set_mpls_ttl', value: c.u8[c.o + 4]! })),
  raw(8, () => ({ type: 'dec_mpls_ttl' })),
  raw(8, (c) => pushVlan(c.dv.getUint16(c.o + 4))),
  raw(8, () => ({ type: 'strip_vlan', compat: 'pop_vlan' })),
  raw(8, (c) => pushMpls(c.dv.getUint16(c.o + 4))),
  raw(8, (c) => ({ type: 'pop_mpls', ethertype: c.dv.getUint16(c.o + 4) })),
  raw(8, (c) => ({ type: 'set_queue', queue: c.dv.getUint32(c.o + 4) })),
  raw(8, (c) => ({ type: 'group', group: c.dv.getUint32(c.o + 4) })),
  raw(8, (c) => ({ type: 'mod_nw_ttl', value: c.u8[c.o + 4]! })),
  raw(8, () => ({ type: 'dec_ttl', ids: [0] })),
  { since: 3, until: LAST_11, length: 8, variable: true, parse: (c) => parseSetField(c, c.o + 4) },
  undefined,
  undefined,
  { since: 6, until: 6, length: 16, variable: true, parse: (c) => copyField(c, c.o + 4, 2) },
  raw(8, (c) => ({ type: 'meter', meter: c.dv.getUint32(c.o + 4) }), 6),
];
