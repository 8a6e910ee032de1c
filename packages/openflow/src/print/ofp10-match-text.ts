/** OpenFlow 1.0's match as its structure has it, wildcards included (OpenFlow 1.0 section 5.2.3). */
import { ETH_P_ARP, ETH_P_IP, formatIpv4, formatMac } from '@heddle/packet';
import { type PrintNames, port } from './print-names.ts';

const OFPFW10 = {
  inPort: 1 << 0,
  dlVlan: 1 << 1,
  dlSrc: 1 << 2,
  dlDst: 1 << 3,
  dlType: 1 << 4,
  nwProto: 1 << 5,
  tpSrc: 1 << 6,
  tpDst: 1 << 7,
  dlVlanPcp: 1 << 20,
  nwTos: 1 << 21,
} as const;
const NW_SRC_SHIFT = 8;
const NW_DST_SHIFT = 14;
const NW_BITS = 0x3f;
const PROTOCOLS = new Map([
  [1, 'icmp,'],
  [6, 'tcp,'],
  [17, 'udp,'],
  [132, 'sctp,'],
]);

export function printOfp10Match(bytes: Uint8Array, names: PrintNames): string {
  const dv = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const wild = dv.getUint32(0);
  const mac = (o: number) => formatMac(dv.getUint16(o) * 2 ** 32 + dv.getUint32(o + 2));
  const dlType = dv.getUint16(22);
  const nwProto = bytes[25]!;
  let out = '';
  let skipsType = false;
  let skipsProto = false;
  if ((wild & OFPFW10.dlType) === 0) {
    skipsType = true;
    if (dlType === ETH_P_IP) {
      const name = (wild & OFPFW10.nwProto) === 0 ? PROTOCOLS.get(nwProto) : undefined;
      skipsProto = name !== undefined;
      out += name ?? 'ip,';
    } else if (dlType === ETH_P_ARP) out += 'arp,';
    else skipsType = false;
  }
  const put = (name: string, bit: number, text: string) => {
    out += `${name}=${(wild & bit) === 0 ? text : '*'},`;
  };
  put('in_port', OFPFW10.inPort, port(dv.getUint16(4), names));
  put('dl_vlan', OFPFW10.dlVlan, String(dv.getUint16(18)));
  put('dl_vlan_pcp', OFPFW10.dlVlanPcp, String(bytes[20]!));
  put('dl_src', OFPFW10.dlSrc, mac(6));
  put('dl_dst', OFPFW10.dlDst, mac(12));
  if (!skipsType) put('dl_type', OFPFW10.dlType, `0x${hex4(dlType)}`);
  out += `nw_src=${address(dv.getUint32(28), wild >>> NW_SRC_SHIFT)},`;
  out += `nw_dst=${address(dv.getUint32(32), wild >>> NW_DST_SHIFT)},`;
  // As upstream's, whether type and protocol are matched or not.
  const isArp = dlType === ETH_P_ARP;
  if (!skipsProto) put(isArp ? 'arp_op' : 'nw_proto', OFPFW10.nwProto, String(nwProto));
  put('nw_tos', OFPFW10.nwTos, String(bytes[24]!));
  const isIcmp = nwProto === 1;
  put(isIcmp ? 'icmp_type' : 'tp_src', OFPFW10.tpSrc, String(dv.getUint16(36)));
  put(isIcmp ? 'icmp_code' : 'tp_dst', OFPFW10.tpDst, String(dv.getUint16(38)));
  return out.slice(0, -1);
}

function hex4(value: number): string {
  return value.toString(16).padStart(4, '0');
}

/** `wild` low bits of an address are open. */
function address(value: number, shifted: number): string {
  const wild = shifted & NW_BITS;
  if (wild >= 32) return '*';
  return wild === 0 ? formatIpv4(value) : `${formatIpv4(value)}/${32 - wild}`;
}
