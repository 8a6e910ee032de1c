/** `tnl_push(...)` as ovs-dpctl writes it: the header's bytes, field by field. */
import { ethDst, ethSrc, formatIpv4, formatIpv6, formatMac, toHex } from '@heddle/packet';
import type { OdpAction } from './odp-actions.ts';

export type TnlPush = Extract<OdpAction, { readonly type: 'tnl_push' }>;

/** enum ovs_vport_type, as `type=` tells. */
export const TNL_TYPE_GRE = 3;
export const TNL_TYPE_VXLAN = 4;
export const TNL_TYPE_GENEVE = 5;
export const TNL_TYPE_ERSPAN = 107;
export const TNL_TYPE_IP6ERSPAN = 108;
export const TNL_TYPE_IP6GRE = 109;

const ETH_LEN = 14;
const UDP_LEN = 8;
const GRE_CSUM = 0x8000;
const GRE_KEY = 0x2000;
const GRE_SEQ = 0x1000;

/** Where UDP or GRE begins in a header. */
export function tnlL4Offset(header: Uint8Array): number {
  return ETH_LEN + (header[12] === 0x86 ? 40 : 20);
}

/** GRE is what carries it. */
export function isGre(headerType: number): boolean {
  return headerType === TNL_TYPE_GRE || headerType === TNL_TYPE_IP6GRE || isErspan(headerType);
}

export function isErspan(headerType: number): boolean {
  return headerType === TNL_TYPE_ERSPAN || headerType === TNL_TYPE_IP6ERSPAN;
}

export function formatTnlPush(a: TnlPush, portName: (port: number) => string): string {
  const body = `size=${a.header.length},type=${a.headerType},${formatHeader(a)}`;
  return `tnl_push(tnl_port(${portName(a.tnlPort)}),header(${body}),out_port(${portName(a.outPort)}))`;
}

function formatHeader({ header, headerType }: TnlPush): string {
  const dv = new DataView(header.buffer, header.byteOffset, header.length);
  const type = dv.getUint16(12);
  const eth = `eth(dst=${formatMac(ethDst(dv, 0))},src=${formatMac(ethSrc(dv, 0))},dl_type=0x${type.toString(16).padStart(4, '0')})`;
  const l4 = tnlL4Offset(header);
  const inner = isErspan(headerType)
    ? formatErspan(dv, l4)
    : isGre(headerType)
      ? formatGre(dv, l4)
      : formatUdp(dv, l4, headerType);
  return `${eth},${type === 0x0800 ? formatIp4(dv) : formatIp6(dv)},${inner}`;
}

function alternate(v: number): string {
  return v === 0 ? '0' : `0x${v.toString(16)}`;
}

function formatIp4(dv: DataView): string {
  const [src, dst] = [formatIpv4(dv.getUint32(26)), formatIpv4(dv.getUint32(30))];
  const [tos, ttl, proto] = [dv.getUint8(15), dv.getUint8(22), dv.getUint8(23)];
  const frag = dv.getUint16(20).toString(16);
  return `ipv4(src=${src},dst=${dst},proto=${proto},tos=${alternate(tos)},ttl=${ttl},frag=0x${frag})`;
}

function formatIp6(dv: DataView): string {
  const address = (at: number) => formatIpv6(new Uint8Array(dv.buffer, dv.byteOffset + at, 16));
  const first = dv.getUint32(14);
  const tclass = ((first >>> 20) & 0xff).toString(16);
  const more = `label=${first & 0xfffff},proto=${dv.getUint8(20)},tclass=0x${tclass},hlimit=${dv.getUint8(21)}`;
  return `ipv6(src=${address(22)},dst=${address(38)},${more})`;
}

function formatUdp(dv: DataView, l4: number, headerType: number): string {
  const ports = `src=${dv.getUint16(l4)},dst=${dv.getUint16(l4 + 2)}`;
  const udp = `udp(${ports},csum=0x${dv.getUint16(l4 + 6).toString(16)})`;
  const at = l4 + UDP_LEN;
  const vni = `vni=0x${(dv.getUint32(at + 4) >>> 8).toString(16)}`;
  if (headerType === TNL_TYPE_VXLAN) {
    return `${udp},vxlan(flags=0x${dv.getUint32(at).toString(16)},${vni})`;
  }
  const flags = dv.getUint8(at + 1);
  const words = `${flags & 0x80 ? 'oam,' : ''}${flags & 0x40 ? 'crit,' : ''}`;
  const options = formatOptions(
    new Uint8Array(dv.buffer, dv.byteOffset + at + 8, (dv.getUint8(at) & 0x3f) * 4),
  );
  return `${udp},geneve(${words}${vni}${options})`;
}

function formatOptions(bytes: Uint8Array): string {
  let text = '';
  for (let at = 0; at + 4 <= bytes.length; ) {
    const length = (bytes[at + 3]! & 0x1f) * 4;
    const cls = (bytes[at]! << 8) | bytes[at + 1]!;
    text += `{class=0x${cls.toString(16)},type=0x${bytes[at + 2]!.toString(16)},len=${length}`;
    const value = toHex(bytes.subarray(at + 4, at + 4 + length)).replace(/^0+(?=.)/, '');
    text += length === 0 ? '}' : `,0x${value}}`;
    at += 4 + length;
  }
  return text === '' ? '' : `,options(${text})`;
}

function formatGre(dv: DataView, l4: number): string {
  const flags = dv.getUint16(l4);
  let text = `gre((flags=0x${flags.toString(16)},proto=0x${dv.getUint16(l4 + 2).toString(16)})`;
  let at = l4 + 4;
  if (flags & GRE_CSUM) {
    text += `,csum=0x${dv.getUint16(at).toString(16)}`;
    at += 4;
  }
  if (flags & GRE_KEY) {
    text += `,key=0x${dv.getUint32(at).toString(16)}`;
    at += 4;
  }
  if (flags & GRE_SEQ) text += `,seq=0x${dv.getUint32(at).toString(16)}`;
  return `${text})`;
}

function formatErspan(dv: DataView, l4: number): string {
  const base = dv.getUint32(l4 + 8);
  const ver = base >>> 28;
  const sid = (base & 0x3ff).toString(16);
  if (ver === 1) return `erspan(ver=1,sid=0x${sid},idx=0x${dv.getUint32(l4 + 12).toString(16)})`;
  const last = dv.getUint32(l4 + 16);
  const hwid = ((last >>> 4) & 15) | ((last >>> 4) & 0x30);
  return `erspan(ver=${ver},sid=0x${sid},dir=${(last >>> 3) & 1},hwid=0x${hwid.toString(16)})`;
}
