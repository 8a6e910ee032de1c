/**
 * Captures as programs leave them: pcap of both byte orders, with micro- and nanoseconds, and pcapng
 * (draft-ietf-opsawg-pcap, draft-ietf-opsawg-pcapng). Ethernet frames alone are taken; what else
 * there is, and where a file is damaged, is told.
 */

export interface CapturedFrame {
  /** What was captured of it. */
  readonly data: Uint8Array;
  /** Of the whole frame, in bytes: more than `data` when the capture cut it. */
  readonly length: number;
}

export interface Capture {
  readonly frames: CapturedFrame[];
  /** Packets of other link types, by their name. */
  readonly foreign: Map<string, number>;
  /** Why reading stopped before the end of the file, and at which byte. */
  damage?: string;
}

/** Not a capture at all; the message says what is wrong with it. */
export class CaptureFileError extends Error {
  override name = 'CaptureFileError';
}

const LINKTYPE_ETHERNET = 1;
/** From the registry at tcpdump.org, those that operators meet. */
const LINKTYPES: Readonly<Record<number, string>> = {
  ...{ 0: 'NULL', 9: 'PPP', 12: 'RAW', 101: 'RAW', 105: 'IEEE802_11', 108: 'LOOP' },
  ...{ 113: 'LINUX_SLL', 119: 'IEEE802_11_PRISM', 127: 'IEEE802_11_RADIOTAP', 147: 'USER0' },
  ...{ 189: 'USB_LINUX', 220: 'USB_LINUX_MMAPPED', 228: 'IPV4', 229: 'IPV6', 253: 'NETLINK' },
  ...{ 276: 'LINUX_SLL2' },
};

/** No device has longer frames: what claims to be longer is damaged. */
const MAX_FRAME = 0x40000;
const PCAP_HEADER = 24;
const RECORD_HEADER = 16;
/** libpcap's "modified" format has 8 more bytes in each record's header. */
const PCAP_MAGICS = new Map([
  [0xa1b2c3d4, RECORD_HEADER],
  [0xa1b23c4d, RECORD_HEADER],
  [0xa1b2cd34, RECORD_HEADER + 8],
]);
const SECTION_HEADER = 0x0a0d0d0a;
const BYTE_ORDER_MAGIC = 0x1a2b3c4d;
const INTERFACE_DESCRIPTION = 1;
const OLD_PACKET = 2;
const SIMPLE_PACKET = 3;
const ENHANCED_PACKET = 6;
const OPT_IF_FCSLEN = 13;

/** Files that are a capture only once another program has read them. */
const WRAPPED: readonly (readonly [string, string])[] = [
  ['\x1f\x8b', 'is compressed: gunzip it first'],
  ['\x28\xb5\x2f\xfd', 'is compressed: unzstd it first'],
  ['\xfd7zXZ', 'is compressed: unxz it first'],
  ['\x04\x22\x4d\x18', 'is compressed: unlz4 it first'],
  ['snoop\0', 'is a snoop capture: editcap(1) makes a pcap file of it'],
];

/** Throws `CaptureFileError`. */
export function readCapture(file: Uint8Array): Capture {
  if (file.length === 0) throw new CaptureFileError('is empty');
  const start = Buffer.from(file.subarray(0, 8)).toString('latin1');
  for (const [magic, why] of WRAPPED) {
    if (start.startsWith(magic)) throw new CaptureFileError(why);
  }
  const dv = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const magic = file.length < 4 ? 0 : dv.getUint32(0, true);
  if (magic === SECTION_HEADER) return readPcapng(file, dv);
  for (const isLittle of [true, false]) {
    const recordHeader = file.length < 4 ? undefined : PCAP_MAGICS.get(dv.getUint32(0, isLittle));
    if (recordHeader !== undefined) return readPcap(file, dv, isLittle, recordHeader);
  }
  throw new CaptureFileError('is neither a pcap nor a pcapng file');
}

interface Link {
  readonly type: number;
  /** Bytes of a frame check sequence that each frame ends with. */
  readonly fcs: number;
  /** 0: no limit. */
  readonly snaplen: number;
}

function readPcap(file: Uint8Array, dv: DataView, isLittle: boolean, header: number): Capture {
  if (file.length < PCAP_HEADER) throw new CaptureFileError('ends within its header');
  const network = dv.getUint32(20, isLittle);
  // Bit 26: the bits from 28 on say how many 16-bit words of FCS there are.
  const fcs = (network & 0x04000000) === 0 ? 0 : (network >>> 28) * 2;
  const link: Link = { type: network & 0xffff, fcs, snaplen: dv.getUint32(16, isLittle) };
  const capture: Capture = { frames: [], foreign: new Map() };
  for (let off = PCAP_HEADER; off < file.length; ) {
    const start = off + header;
    const captured = start > file.length ? 0 : dv.getUint32(off + 8, isLittle);
    if (start > file.length || (start + captured > file.length && captured <= MAX_FRAME)) {
      capture.damage = `the packet at byte ${off} is cut short`;
      break;
    }
    if (captured > Math.max(MAX_FRAME, link.snaplen) || start + captured > file.length) {
      capture.damage = `the packet at byte ${off} cannot have ${captured} bytes`;
      break;
    }
    const data = file.subarray(start, start + captured);
    add(capture, link, data, dv.getUint32(off + 12, isLittle));
    off = start + captured;
  }
  return capture;
}

function readPcapng(file: Uint8Array, dv: DataView): Capture {
  const capture: Capture = { frames: [], foreign: new Map() };
  let isLittle = true;
  let links: Link[] = [];
  for (let off = 0; off < file.length; ) {
    const left = file.length - off;
    if (left < 12) return damaged(capture, `the block at byte ${off} is cut short`);
    if (dv.getUint32(off, true) === SECTION_HEADER) {
      isLittle = dv.getUint32(off + 8, true) === BYTE_ORDER_MAGIC;
      if (!isLittle && dv.getUint32(off + 8) !== BYTE_ORDER_MAGIC)
        return damaged(capture, `the section at byte ${off} has no byte order`);
      links = [];
    }
    const type = dv.getUint32(off, isLittle);
    const length = dv.getUint32(off + 4, isLittle);
    if (length < 12 || length % 4 !== 0)
      return damaged(capture, `the block at byte ${off} cannot have ${length} bytes`);
    if (length > left) return damaged(capture, `the block at byte ${off} is cut short`);
    if (dv.getUint32(off + length - 4, isLittle) !== length)
      return damaged(capture, `the block at byte ${off} tells two lengths`);
    const block = { file, dv, isLittle, type, body: off + 8, end: off + length - 4 };
    const why = readBlock(capture, links, block);
    if (why !== undefined) return damaged(capture, `the block at byte ${off} ${why}`);
    off += length;
  }
  return capture;
}

function damaged(capture: Capture, why: string): Capture {
  capture.damage = why;
  return capture;
}

interface Block {
  readonly file: Uint8Array;
  readonly dv: DataView;
  readonly isLittle: boolean;
  readonly type: number;
  readonly body: number;
  readonly end: number;
}

/** Why the block cannot be; undefined when all is well. Blocks of other types are passed over. */
function readBlock(capture: Capture, links: Link[], block: Block): string | undefined {
  const { dv, isLittle, body, end } = block;
  switch (block.type) {
    case INTERFACE_DESCRIPTION:
      if (end - body < 8) return 'is too short';
      links.push({
        type: dv.getUint16(body, isLittle),
        fcs: fcsOption(block),
        snaplen: dv.getUint32(body + 4, isLittle),
      });
      return undefined;
    case SIMPLE_PACKET: {
      if (end - body < 4) return 'is too short';
      const length = dv.getUint32(body, isLittle);
      const limit = links[0]?.snaplen || length;
      return packet(capture, block, links[0], body + 4, Math.min(length, limit), length);
    }
    case ENHANCED_PACKET:
    case OLD_PACKET: {
      if (end - body < 20) return 'is too short';
      const isOld = block.type === OLD_PACKET;
      const link = links[isOld ? dv.getUint16(body, isLittle) : dv.getUint32(body, isLittle)];
      const captured = dv.getUint32(body + 12, isLittle);
      const length = dv.getUint32(body + 16, isLittle);
      return packet(capture, block, link, body + 20, captured, length);
    }
  }
  return undefined;
}

function packet(
  capture: Capture,
  { file, end }: Block,
  link: Link | undefined,
  start: number,
  captured: number,
  length: number,
): string | undefined {
  if (link === undefined) return 'names an interface that the file has not described';
  if (start + captured > end) return `cannot hold a packet of ${captured} bytes`;
  add(capture, link, file.subarray(start, start + captured), length);
  return undefined;
}

function fcsOption({ dv, isLittle, body, end }: Block): number {
  for (let off = body + 8; off + 4 <= end; ) {
    const code = dv.getUint16(off, isLittle);
    const length = dv.getUint16(off + 2, isLittle);
    if (code === 0) break;
    if (code === OPT_IF_FCSLEN && length === 1 && off + 4 < end) return dv.getUint8(off + 4);
    off += 4 + ((length + 3) & ~3);
  }
  return 0;
}

function add(capture: Capture, link: Link, data: Uint8Array, length: number): void {
  if (link.type !== LINKTYPE_ETHERNET) {
    const name = `${LINKTYPES[link.type] ?? 'unknown'} (${link.type})`;
    capture.foreign.set(name, (capture.foreign.get(name) ?? 0) + 1);
    return;
  }
  // Some programs tell of no length, or of one that cannot be.
  const told = length > MAX_FRAME ? data.length : Math.max(length, data.length);
  const whole = Math.max(told - link.fcs, 0);
  capture.frames.push({ data: data.subarray(0, whole), length: whole });
}
