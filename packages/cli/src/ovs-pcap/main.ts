/** ovs-pcap(1): the packets of a capture as lines of hex digits, for ofproto/trace. */
import { closeSync, openSync, readSync } from 'node:fs';
import { toHex } from '@heddle/packet/bytes';
import { errnoOf, HeddleError, strerror } from '@heddle/runtime/errors';
import { print } from '@heddle/runtime/stdio';
import { runFilter } from './filter-options.ts';

const PROGRAM = 'ovs-pcap';
const USAGE = `print pcap file packet data as hex
usage: ${PROGRAM} FILE
where FILE is a PCAP file.
`;

const HEADER_LENGTH = 24;
const RECORD_HEADER_LENGTH = 16;
/** Little-endian, micro- and nanoseconds. */
const MAGICS = [0xa1b2c3d4, 0xa1b23c4d];
const MAX_PACKET = 256 * 1024 * 1024;

export function main(argv: readonly string[]): number {
  return runFilter(PROGRAM, USAGE, argv, (args) => {
    if (args.length !== 1) {
      throw new HeddleError('exactly 1 non-option argument required (use --help for help)');
    }
    const file = args[0]!;
    const fd = reading(file, () => openSync(file, 'r'));
    try {
      printPackets((buffer, filled) =>
        reading(file, () => readSync(fd, buffer, filled, buffer.length - filled, null)),
      );
    } finally {
      closeSync(fd);
    }
  });
}

/** What the system says no to is an error of the file. */
function reading<T>(file: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw new HeddleError(`${file}: ${strerror(errnoOf(error))}`);
  }
}

/** Reads more into a buffer behind what is in it; how many bytes, 0 at the end of the file. */
type Read = (buffer: Buffer, filled: number) => number;

/** Packet by packet, since a capture may be larger than memory and a pipe may not end soon. */
function printPackets(source: Read): void {
  const header = read(source, HEADER_LENGTH);
  if (header.length < HEADER_LENGTH) throw new HeddleError('end of file reading pcap header');
  const little = isLittle(header);
  for (;;) {
    const record = read(source, RECORD_HEADER_LENGTH);
    if (record.length === 0) return;
    if (record.length < RECORD_HEADER_LENGTH) {
      throw new HeddleError('end of file within pcap record header');
    }
    const length = little ? record.readUInt32LE(8) : record.readUInt32BE(8);
    const packet = read(source, Math.min(length, MAX_PACKET));
    if (packet.length < length) throw new HeddleError('end of file reading pcap packet data');
    print(`${toHex(packet)}\n`);
  }
}

function isLittle(header: Buffer): boolean {
  if (MAGICS.includes(header.readUInt32LE())) return true;
  if (MAGICS.includes(header.readUInt32BE())) return false;
  throw new HeddleError(
    `bad magic ${header.readUInt32BE()} reading pcap file (expected 0xa1b2c3d4, 0xa1b23c4d, 0x4d3cb2a1 or 0xd4c3b2a1)`,
  );
}

/** Fewer bytes at the end of the file. */
function read(source: Read, length: number): Buffer {
  const buffer = Buffer.alloc(length);
  let filled = 0;
  while (filled < length) {
    const n = source(buffer, filled);
    if (n === 0) break;
    filled += n;
  }
  return buffer.subarray(0, filled);
}
