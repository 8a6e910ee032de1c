/** struct virtio_net_hdr (linux/virtio_net.h) in the byte order of the machine. */
import type { VnetHdr } from '../dpif.ts';

export const VIRTIO_NET_HDR_F_NEEDS_CSUM = 1;

/** undefined for a frame that is complete. */
export function parseVnet(dv: DataView, at: number): VnetHdr | undefined {
  const flags = dv.getUint8(at) & VIRTIO_NET_HDR_F_NEEDS_CSUM;
  const gsoType = dv.getUint8(at + 1);
  if (flags === 0 && gsoType === 0) return undefined;
  return {
    flags,
    gsoType,
    hdrLen: dv.getUint16(at + 2, true),
    gsoSize: dv.getUint16(at + 4, true),
    csumStart: dv.getUint16(at + 6, true),
    csumOffset: dv.getUint16(at + 8, true),
  };
}

export function emitVnet(dv: DataView, at: number, vnet: VnetHdr | undefined): void {
  dv.setUint8(at, vnet?.flags ?? 0);
  dv.setUint8(at + 1, vnet?.gsoType ?? 0);
  dv.setUint16(at + 2, vnet?.hdrLen ?? 0, true);
  dv.setUint16(at + 4, vnet?.gsoSize ?? 0, true);
  dv.setUint16(at + 6, vnet?.csumStart ?? 0, true);
  dv.setUint16(at + 8, vnet?.csumOffset ?? 0, true);
}
