/** A masked `set` split into the programs' rewriting actions, and put together again. */
import type { Flow } from '@heddle/packet';
import { SystemError } from '@heddle/runtime';
import * as L from './layout.ts';

const IPV4 = 0x0800;
const IPV6 = 0x86dd;
const ARP = 0x0806;
const RARP = 0x8035;
const ICMP = 1;
const SCTP = 132;
const ICMPV6 = 58;

/** One action: `length` bytes of the key from `at` on, written to offset `a16` of a header. */
interface Piece {
  readonly type: number;
  readonly at: number;
  readonly length: number;
  readonly a16?: number;
  readonly a32?: number;
  /** Where value and mask lie in the action's 16 bytes; the mask 8 bytes later. */
  readonly b?: number;
  /** Of the rewritten packet. */
  readonly when?: (key: Flow) => boolean;
}

const isIp4 = (k: Flow) => k.dlType === IPV4;
const isIp6 = (k: Flow) => k.dlType === IPV6;
const isArp = (k: Flow) => k.dlType === ARP || k.dlType === RARP;
const isIcmp = (k: Flow) => k.nwProto === ICMP || k.nwProto === ICMPV6;
const isNd = (k: Flow) => isIp6(k) && k.nwProto === ICMPV6;
const hasPorts = (k: Flow) => (isIp4(k) || isIp6(k)) && !isIcmp(k);

/** The same bytes of the key belong to different headers: the first piece that applies is it. */
const PIECES: readonly Piece[] = [
  { type: L.A_SET_ETH, at: 64, length: 6, a16: 0 },
  { type: L.A_SET_ETH, at: 72, length: 6, a16: 6 },
  { type: L.A_SET_IP4, at: 88, length: 4, a16: 12, when: isIp4 },
  { type: L.A_SET_IP4, at: 104, length: 4, a16: 16, when: isIp4 },
  { type: L.A_SET_IP6, at: 88, length: 8, a16: 8, when: isIp6 },
  { type: L.A_SET_IP6, at: 96, length: 8, a16: 16, when: isIp6 },
  { type: L.A_SET_IP6, at: 104, length: 8, a16: 24, when: isIp6 },
  { type: L.A_SET_IP6, at: 112, length: 8, a16: 32, when: isIp6 },
  { type: L.A_SET_TOS, at: 121, length: 1, when: (k) => isIp4(k) || isIp6(k) },
  { type: L.A_SET_TTL, at: 122, length: 1, when: (k) => isIp4(k) || isIp6(k) },
  { type: L.A_SET_L4PORT, at: 124, length: 2, a16: 0, when: hasPorts },
  { type: L.A_SET_L4PORT, at: 126, length: 2, a16: 2, when: hasPorts },
  { type: L.A_SET_ICMP, at: 125, length: 1, a16: 0, when: isIcmp },
  { type: L.A_SET_ICMP, at: 127, length: 1, a16: 1, when: isIcmp },
  { type: L.A_SET_ARP, at: 120, length: 1, a16: 7, a32: 1, when: isArp },
  { type: L.A_SET_ARP, at: 168, length: 6, a16: 8, a32: 6, when: isArp },
  { type: L.A_SET_ARP, at: 88, length: 4, a16: 14, a32: 4, when: isArp },
  { type: L.A_SET_ARP, at: 174, length: 6, a16: 18, a32: 6, when: isArp },
  { type: L.A_SET_ARP, at: 104, length: 4, a16: 24, a32: 4, when: isArp },
  { type: L.A_SET_ND, at: 152, length: 8, a16: 8, when: isNd },
  { type: L.A_SET_ND, at: 160, length: 8, a16: 16, when: isNd },
  { type: L.A_SET_ND, at: 168, length: 6, a32: 1, b: 2, when: isNd },
  { type: L.A_SET_ND, at: 174, length: 6, a32: 2, b: 2, when: isNd },
];

export function encodeSet(key: Flow, mask: Flow, packet: Flow): Buffer[] {
  const left = mask.clone();
  const acts: Buffer[] = [];
  if (mask.pktMark !== 0) {
    const act = head(L.A_SET_MARK, 0, (key.pktMark & mask.pktMark) >>> 0);
    act.writeUInt32LE(mask.pktMark, 8);
    acts.push(act);
    left.pktMark = 0;
  }
  if (mask.ipv6Label !== 0 && isIp6(packet)) {
    const act = head(L.A_SET_LABEL, 0, (key.ipv6Label & mask.ipv6Label) >>> 0);
    act.writeUInt32LE(mask.ipv6Label, 16);
    acts.push(act);
    left.ipv6Label = 0;
  }
  for (const p of PIECES) {
    if (!left.u8.subarray(p.at, p.at + p.length).some((b) => b !== 0)) continue;
    if (p.when !== undefined && !p.when(packet)) continue;
    if (p.type === L.A_SET_L4PORT && packet.nwProto === SCTP)
      throw new SystemError('EOPNOTSUPP', 'rewriting SCTP ports');
    acts.push(encodePiece(p, key, mask));
    left.u8.fill(0, p.at, p.at + p.length);
  }
  if (left.u32.some((w) => w !== 0))
    throw new SystemError(
      'EINVAL',
      'set of a field that the packet does not have or that is fixed',
    );
  const end = acts.at(-1);
  if (end !== undefined) end.writeUInt16LE(end.readUInt16LE(2) | L.SET_END, 2);
  return acts;
}

function head(type: number, a16: number, a32: number): Buffer {
  const act = Buffer.alloc(L.ACT_BYTES);
  act.writeUInt16LE(type, 0);
  act.writeUInt16LE(a16, 2);
  act.writeUInt32LE(a32, 4);
  return act;
}

function encodePiece(p: Piece, key: Flow, mask: Flow): Buffer {
  const act = head(p.type, p.a16 ?? 0, p.a32 ?? 0);
  const b = 8 + (p.b ?? 0);
  act.set(key.u8.subarray(p.at, p.at + p.length), b);
  act.set(mask.u8.subarray(p.at, p.at + p.length), b + 8);
  for (let i = 0; i < p.length; i++) act[b + i]! &= act[b + 8 + i]!;
  return act;
}

/** Adds one action to a set; true when it was the set's last. */
export function decodeSet(act: Buffer, key: Flow, mask: Flow): boolean {
  const type = act.readUInt16LE(0);
  const a16 = act.readUInt16LE(2);
  const a32 = act.readUInt32LE(4);
  if (type === L.A_SET_MARK) {
    key.pktMark = a32;
    mask.pktMark = act.readUInt32LE(8);
  } else if (type === L.A_SET_LABEL) {
    key.ipv6Label = a32;
    mask.ipv6Label = act.readUInt32LE(16);
  } else {
    const same = (p: Piece) =>
      p.type === type && (p.a16 ?? 0) === (a16 & 0xff) && (p.a32 ?? 0) === a32;
    const p = PIECES.find(same);
    if (p === undefined) throw new SystemError('EINVAL', `unknown action ${type} in the kernel`);
    const b = 8 + (p.b ?? 0);
    key.u8.set(act.subarray(b, b + p.length), p.at);
    mask.u8.set(act.subarray(b + 8, b + 8 + p.length), p.at);
  }
  return (a16 & L.SET_END) !== 0;
}
