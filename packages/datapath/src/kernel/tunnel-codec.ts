/** `set(tunnel(...))` in the programs' action slots, in parts (bpf/datapath.h, A_SET_TUNNEL). */
import { type Flow, isTunnelIpv6, KEY_SLOTS } from '@heddle/packet';
import * as L from './layout.ts';
import { programKey, readProgramKey } from './tunnel-addresses.ts';

const ID = KEY_SLOTS.get('tunId')!.offset;
const SRC = KEY_SLOTS.get('tunIpv6Src')!.offset;
const DST = KEY_SLOTS.get('tunIpv6Dst')!.offset;
const FLAGS = KEY_SLOTS.get('tunFlags')!.offset;
const PORTS = KEY_SLOTS.get('tunTpSrc')!.offset;
const MORE = KEY_SLOTS.get('tunGbpId')!.offset;

/** What a part has of the key: `a32` four bytes, then ranges of 16 bytes in all. */
interface Part {
  readonly a32?: number;
  readonly b: readonly (readonly [offset: number, length: number])[];
}

const PARTS: readonly Part[] = [
  {
    a32: FLAGS,
    b: [
      [ID, 8],
      [SRC, 4],
      [DST, 4],
    ],
  },
  { a32: PORTS, b: [[MORE, 16]] },
  { b: [[SRC, 16]] },
  { b: [[DST, 16]] },
];

export function encodeSetTunnel(key: Flow): Buffer[] {
  const v6 = isTunnelIpv6(key);
  const { u8 } = programKey(ofOneFamily(key, v6));
  const acts: Buffer[] = [];
  for (const [n, part] of PARTS.entries()) {
    if (n >= 2 && !v6) break;
    const act = Buffer.alloc(L.ACT_BYTES);
    act.writeUInt16LE(L.A_SET_TUNNEL, 0);
    act.writeUInt16LE(n, 2);
    if (part.a32 !== undefined) act.set(u8.subarray(part.a32, part.a32 + 4), 4);
    let at = 8;
    for (const [offset, length] of part.b) {
      act.set(u8.subarray(offset, offset + length), at);
      at += length;
    }
    if (n === 1 && act.subarray(4).every((b) => b === 0)) continue;
    acts.push(act);
  }
  const end = acts.at(-1)!;
  end.writeUInt16LE(end.readUInt16LE(2) | L.SET_END, 2);
  return acts;
}

/** A header is of its destination's family: flows may have set addresses of the other one, too. */
function ofOneFamily(key: Flow, v6: boolean): Flow {
  const own = key.clone();
  if (v6) {
    own.tunSrc = 0;
  } else {
    own.tunIpv6Src.fill(0);
    own.tunIpv6Dst.fill(0);
  }
  return own;
}

/** Adds a part to a key; true when it was the last. */
export function decodeSetTunnel(act: Buffer, key: Flow): boolean {
  const a16 = act.readUInt16LE(2);
  const part = PARTS[a16 & 0xff];
  if (part?.a32 !== undefined) key.u8.set(act.subarray(4, 8), part.a32);
  let at = 8;
  for (const [offset, length] of part?.b ?? []) {
    key.u8.set(act.subarray(at, at + length), offset);
    at += length;
  }
  const isLast = (a16 & L.SET_END) !== 0;
  if (isLast) readProgramKey(key);
  return isLast;
}
