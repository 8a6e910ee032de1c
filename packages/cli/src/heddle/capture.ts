/** What `heddle explain` asks about of a capture. */
import { readFileSync } from 'node:fs';
import {
  type Capture,
  type CapturedFrame,
  CaptureFileError,
  extractFlow,
  readCapture,
} from '@heddle/packet';
import { errnoOf, HeddleError, strerror } from '@heddle/runtime/errors';
import { printError } from '@heddle/runtime/stdio';

const ETH_HEADER = 14;
const CUT = 'cut within their headers: capture more of each (-s of tcpdump)';

/** Packets of a file whose headers are the same. */
interface Distinct {
  /** The longest, which tells of the MTU. */
  data: Uint8Array;
  packets: number;
  bytes: number;
}

/** In the order of the file; of what is left out it tells on stderr. Throws `HeddleError`. */
export function distinctPackets(path: string): Distinct[] {
  const { frames, foreign, damage } = read(path);
  const tell = (what: string) => printError(`${path}: ${what}\n`);
  const others = [...foreign].map(([type, n]) => `${n} of link type ${type}`).join(', ');
  if (frames.length === 0 && others !== '') {
    throw new HeddleError(
      `${path}: has no Ethernet frames, but ${others}: capture on one Ethernet device`,
    );
  }
  if (frames.length === 0) throw new HeddleError(`${path}: ${damage ?? 'has no packets'}`);
  if (damage !== undefined) tell(`${damage}; what comes before it is explained`);
  if (others !== '') tell(`left out, as they are no Ethernet frames: ${others}`);
  const distinct = new Map<string, Distinct>();
  let cut = 0;
  for (const frame of frames) {
    const data = wholeFrame(frame);
    if (data === undefined) cut++;
    else enter(distinct, data);
  }
  if (distinct.size === 0) throw new HeddleError(`${path}: all ${cut} packets are ${CUT}`);
  if (cut > 0) tell(`left out: ${cut} packets, ${CUT}`);
  return [...distinct.values()];
}

function read(path: string): Capture {
  try {
    return readCapture(readFileSync(path));
  } catch (error) {
    const why =
      error instanceof CaptureFileError ? error.message : strerror(errnoOf(error, 'EFBIG'));
    throw new HeddleError(`${path}: ${why}`);
  }
}

/** With zeros for what the capture has cut off; undefined when that would say where it goes. */
function wholeFrame({ data, length }: CapturedFrame): Uint8Array | undefined {
  if (data.length < ETH_HEADER) return undefined;
  if (data.length === length) return data;
  const zeros = new Uint8Array(length);
  zeros.set(data);
  const ones = new Uint8Array(length).fill(0xff);
  ones.set(data);
  return keyOf(zeros) === keyOf(ones) ? zeros : undefined;
}

function enter(distinct: Map<string, Distinct>, data: Uint8Array): void {
  const key = keyOf(data);
  const known = distinct.get(key);
  if (!known) {
    distinct.set(key, { data, packets: 1, bytes: data.length });
    return;
  }
  known.packets++;
  known.bytes += data.length;
  if (data.length > known.data.length) known.data = data;
}

function keyOf(data: Uint8Array): string {
  return Buffer.from(extractFlow(data, { inPort: 0, pktMark: 0 }).u8).toString('latin1');
}
