/** The classic pcap file format, as tcpdump writes it (link type Ethernet). */

export interface PcapRecord {
  readonly timeUs: number;
  readonly data: Uint8Array;
}

const LINKTYPE_ETHERNET = 1;
const MAGICS = '0xa1b2c3d4, 0xa1b23c4d, 0xd4c3b2a1, or 0x4d3cb2a1';

/** What Linux has instead of an Ethernet header in captures of all devices, by where fields are. */
interface CookedHeader {
  readonly length: number;
  readonly protocol: number;
  readonly address: number;
}

/** LINUX_SLL and LINUX_SLL2 of the registry at tcpdump.org, beside Ethernet. */
const HEADERS = new Map<number, CookedHeader | 'ethernet'>([
  [LINKTYPE_ETHERNET, 'ethernet'],
  [113, { length: 16, protocol: 14, address: 6 }],
  [276, { length: 20, protocol: 0, address: 12 }],
]);

/** With an Ethernet header, whose destination nobody knows. */
function uncooked(data: Uint8Array, { length, protocol, address }: CookedHeader): Uint8Array {
  if (data.length < length) return data;
  const frame = new Uint8Array(14 + data.length - length);
  frame.set(data.subarray(address, address + 6), 6);
  frame.set(data.subarray(protocol, protocol + 2), 12);
  frame.set(data.subarray(length), 14);
  return frame;
}

/** `snaplen`: the longest packet that the file may hold, in bytes. */
export function emitPcapHeader(snaplen = 0x40000): Uint8Array {
  const dv = new DataView(new ArrayBuffer(24));
  dv.setUint32(0, 0xa1b2c3d4, true);
  dv.setUint16(4, 2, true);
  dv.setUint16(6, 4, true);
  dv.setUint32(16, snaplen, true);
  dv.setUint32(20, LINKTYPE_ETHERNET, true);
  return new Uint8Array(dv.buffer);
}

export function emitPcapRecord(record: PcapRecord): Uint8Array {
  const bytes = new Uint8Array(16 + record.data.length);
  const dv = new DataView(bytes.buffer);
  dv.setUint32(0, Math.floor(record.timeUs / 1e6), true);
  dv.setUint32(4, record.timeUs % 1e6, true);
  dv.setUint32(8, record.data.length, true);
  dv.setUint32(12, record.data.length, true);
  bytes.set(record.data, 16);
  return bytes;
}

/**
 * Both byte orders, micro- and nanoseconds; a record cut short at the end is left out. Packets of
 * captures of all devices get Ethernet headers; of other link types it throws.
 */
export function parsePcap(file: Uint8Array): PcapRecord[] {
  const dv = new DataView(file.buffer, file.byteOffset, file.byteLength);
  if (file.length < 24) throw new Error('pcap: file header cut short');
  const magic = dv.getUint32(0, true);
  const little = magic === 0xa1b2c3d4 || magic === 0xa1b23c4d;
  const order = little ? magic : dv.getUint32(0);
  if (order !== 0xa1b2c3d4 && order !== 0xa1b23c4d) {
    const told = magic.toString(16).padStart(8, '0');
    throw new Error(`bad magic 0x${told} reading pcap file (expected ${MAGICS})`);
  }
  const network = dv.getUint32(20, little);
  const header = HEADERS.get(network);
  if (header === undefined) throw new Error(`unknown network type ${network} reading pcap file`);
  const perUs = order === 0xa1b23c4d ? 1000 : 1;
  const records: PcapRecord[] = [];
  let off = 24;
  while (off + 16 <= file.length) {
    const length = dv.getUint32(off + 8, little);
    if (off + 16 + length > file.length) break;
    const us = dv.getUint32(off + 4, little) / perUs;
    const timeUs = dv.getUint32(off, little) * 1e6 + Math.floor(us);
    const data = file.slice(off + 16, off + 16 + length);
    records.push({ timeUs, data: header === 'ethernet' ? data : uncooked(data, header) });
    off += 16 + length;
  }
  return records;
}
