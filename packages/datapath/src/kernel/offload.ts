/** Offload state where the kernel does not tell it to programs (before Linux 6.2). */
import { csumFinish, csumPseudo, extractFlow, type Flow, PacketLayout } from '@heddle/packet';
import type { DpPacket, VnetHdr } from '../dpif.ts';

const TCP = 6;
const UDP = 17;
const NEEDS_CSUM = 1;
const GSO_TCPV4 = 1;
const GSO_TCPV6 = 4;
const GSO_UDP_L4 = 5;

/**
 * A checksum that the device was to complete still holds the sum of the pseudo-header; a
 * super-packet is known by its segment size.
 */
export function guessOffload(data: Uint8Array, key: Flow, vnet: VnetHdr): DpPacket {
  const layout = new PacketLayout();
  extractFlow(data, { inPort: key.inPort }, undefined, layout);
  const proto = key.nwProto;
  if (layout.l4 < 0 || (proto !== TCP && proto !== UDP)) return { data };
  const dv = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const ip6 = key.dlType === 0x86dd;
  const csumOffset = proto === TCP ? 16 : 6;
  const pseudo = csumPseudo(
    dv,
    layout.l3 + (ip6 ? 8 : 12),
    ip6 ? 16 : 4,
    proto,
    layout.end - layout.l4,
  );
  const partial = dv.getUint16(layout.l4 + csumOffset) === (~csumFinish(pseudo) & 0xffff);
  const gso = vnet.gsoSize !== 0;
  if (!partial && !gso) return { data };
  const tcpGso = ip6 ? GSO_TCPV6 : GSO_TCPV4;
  const gsoType = !gso ? 0 : proto === UDP ? GSO_UDP_L4 : tcpGso;
  return { data, vnet: { ...vnet, flags: NEEDS_CSUM, gsoType, csumStart: layout.l4, csumOffset } };
}
