/** What a switch has been told, as text, and how to make it forget. */
import { formatBytes } from '@heddle/openflow';
import { bytes, hello, hex, message, type RawPeer, u8, u16, u32, u64, zeros } from './raw-peer.ts';
import { barrier, flowMod, isBarrierReply, oxmMatch, portMod, stats } from './raw-requests.ts';

const OFP15 = 6;
const OFPG_ALL = 0xffff_fffc;
const OFPM_ALL = 0xffff_ffff;
const XID = 0x2000_0000;

/** An operator's connection, OpenFlow 1.5. */
export async function administer(peer: RawPeer): Promise<RawPeer> {
  peer.send(hello(OFP15));
  await peer.next();
  return peer;
}

/** Replies to what is sent. */
async function ask(peer: RawPeer, ...requests: Buffer[]): Promise<Buffer[]> {
  peer.send(...requests, barrier(OFP15, XID));
  const replies: Buffer[] = [];
  for (;;) {
    const reply = await peer.next();
    if (!reply) throw new Error('the switch is gone');
    if (isBarrierReply(reply)) return replies;
    if (reply.readUInt32BE(4) !== 0) replies.push(reply);
  }
}

const ALL_FLOWS = bytes(u8(255), zeros(3), u32(-1, -1), zeros(4), u64(0), u64(0), oxmMatch());

/** Flows, groups, meters, ports, tables and TLV maps, sorted, without how long they have been there. */
export async function stateOf(peer: RawPeer): Promise<string[]> {
  const replies = await ask(
    peer,
    stats(OFP15, XID, 1, ALL_FLOWS),
    stats(OFP15, XID, 6, u32(OFPG_ALL), zeros(4)),
    stats(OFP15, XID, 7, u32(OFPG_ALL), zeros(4)),
    stats(OFP15, XID, 10, u32(OFPM_ALL), zeros(4)),
    stats(OFP15, XID, 13, u32(-1), zeros(4)),
    stats(OFP15, XID, 14),
    message(OFP15, 4, XID, u32(0x2320, 25)),
    message(OFP15, 7, XID),
  );
  const lines = replies.flatMap((reply) => timelessBytes(reply).split('\n'));
  return lines.map(timeless).sort();
}

/** Text, or the bytes where they say nothing. */
function timelessBytes(reply: Buffer): string {
  const text = formatBytes(reply, 2);
  if (!text.includes('decode error')) return text;
  return entriesOf(reply)
    .map((entry) => entry.toString('hex').replaceAll(OXS_TIMES, '8002$1'))
    .join('\n');
}

const MULTIPART_REPLY = 19;
const OFPMP_GROUP_DESC = 7;

/** Groups come in the order of upstream's hash table. */
function entriesOf(reply: Buffer): Buffer[] {
  if (reply[1] !== MULTIPART_REPLY || reply.readUInt16BE(8) !== OFPMP_GROUP_DESC) return [reply];
  const out: Buffer[] = [];
  for (let at = 16; at < reply.length; ) {
    const end = at + Math.max(reply.readUInt16BE(at), 8);
    out.push(reply.subarray(at, end));
    at = end;
  }
  return out;
}

/** Duration and idle time in statistics of OpenFlow 1.5. */
const OXS_TIMES = /8002(00|02)08.{16}/g;

function timeless(line: string): string {
  return line
    .replace(/\b(duration|idle_age|hard_age)[=:][\d.]+s?,? ?/g, '')
    .replace(/addr:aa:55:.*/, 'addr');
}

/** As it was before the first message. */
export async function reset(peer: RawPeer): Promise<void> {
  await ask(
    peer,
    flowMod(OFP15, XID, { actions: zeros(0), table: 255, command: 3 }),
    message(OFP15, 15, XID, u16(2), zeros(2), u32(OFPG_ALL), zeros(4), u32(-1)),
    message(OFP15, 29, XID, u16(2, 0), u32(OFPM_ALL)),
    ...[1, 2, 3].map((n) => portMod(OFP15, n, hex(`0200 0000 000${n}`), 0, -1)),
    message(OFP15, 17, XID, u8(255), zeros(7)),
    message(OFP15, 4, XID, u32(0x2320, 24), u16(2), zeros(6)),
    message(OFP15, 9, XID, u16(0, 0xffff)),
  );
}
