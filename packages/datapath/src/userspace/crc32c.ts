/** CRC-32C, the checksum of SCTP (RFC 9260, appendix A). */
const TABLE = Uint32Array.from({ length: 256 }, (_, i) => {
  let c = i;
  for (let k = 0; k < 8; k++) c = c & 1 ? (c >>> 1) ^ 0x82f63b78 : c >>> 1;
  return c;
});

export function crc32c(bytes: Uint8Array, from: number, to: number): number {
  let c = 0xffff_ffff;
  for (let i = from; i < to; i++) c = TABLE[(c ^ bytes[i]!) & 0xff]! ^ (c >>> 8);
  return ~c >>> 0;
}

/** The checksum of an SCTP packet, as it is stored: least significant byte first. */
export function sctpChecksum(bytes: Uint8Array, l4: number, end: number): number {
  const copy = bytes.slice(l4, end);
  copy.fill(0, 8, 12);
  const crc = crc32c(copy, 0, copy.length);
  return ((crc << 24) | ((crc & 0xff00) << 8) | ((crc >>> 8) & 0xff00) | (crc >>> 24)) >>> 0;
}
