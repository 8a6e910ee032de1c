/** NXAST_ENCAP and NXAST_DECAP with their properties (ONF EXT-382). */
import { OfpError } from '../errors.ts';
import type { EncapProp, OfpAct } from '../ofp-actions.ts';
import type { RawContext } from './parse-actions.ts';

export const PT_USE_NEXT_PROTO = 0xfffe;
export const PT_NSH = 0x0001_894f;
export const PT_MPLS = 0x0001_8847;
export const PT_MPLS_MC = 0x0001_8848;
export const PPT_PROP_NSH = 0x0004;
export const NSH_MDTYPE = 1;
export const NSH_TLV = 2;

export function parseEncap(c: RawContext): OfpAct {
  const { dv, o } = c;
  const packetType = dv.getUint32(o + 12);
  if (![0, PT_NSH, PT_MPLS, PT_MPLS_MC].includes(packetType)) {
    throw new OfpError('NXBAC_BAD_HEADER_TYPE');
  }
  return { type: 'encap', packetType, props: parseProps(c, o + 16) };
}

/** class, type, length, data; zeros up to 8. */
function parseProps({ u8, dv, end }: RawContext, from: number): EncapProp[] {
  const props: EncapProp[] = [];
  for (let p = from; p < end; ) {
    const length = u8[p + 3]!;
    if (length < 4 || p + ((length + 7) & ~7) > end) throw new OfpError('OFPBAC_BAD_LEN');
    const prop = { class: dv.getUint16(p), type: u8[p + 2]!, data: u8.slice(p + 4, p + length) };
    props.push(checkedProp(prop));
    p += (length + 7) & ~7;
  }
  return props;
}

/** A TLV's property is as long as its padding; the option says how much of it counts. */
function checkedProp(prop: EncapProp): EncapProp {
  const { class: cls, type, data } = prop;
  if (cls !== PPT_PROP_NSH) throw new OfpError('NXBAC_UNKNOWN_ED_PROP');
  if (type === NSH_MDTYPE) {
    if (data.length === 0) throw new OfpError('NXBAC_BAD_ED_PROP');
    return prop;
  }
  if (type !== NSH_TLV) throw new OfpError('NXBAC_UNKNOWN_ED_PROP');
  const length = 4 + (data[3] ?? 0xff);
  if (((4 + length + 7) & ~7) !== 4 + data.length) throw new OfpError('NXBAC_BAD_ED_PROP');
  return { ...prop, data: data.subarray(0, length) };
}

export function parseDecap({ dv, o, end }: RawContext): OfpAct {
  if (o + 16 < end) throw new OfpError('NXBAC_UNKNOWN_ED_PROP');
  const packetType = dv.getUint32(o + 12);
  return { type: 'decap', ...(packetType !== PT_USE_NEXT_PROTO && { packetType }) };
}
