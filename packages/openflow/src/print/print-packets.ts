/** Packets, and the messages that carry them. */
import { describePacket, ETH_P_IP, type Flow, type PacketLayout } from '@heddle/packet';
import { formatActions } from '../actions/format-actions.ts';
import { OFP_NO_BUFFER, OFPP_NONE } from '../constants.ts';
import { formatFlow } from '../match/flow-format.ts';
import { formatMatch } from '../match/index.ts';
import type { Continuation, PacketIn, PacketOut } from '../messages.ts';
import { hexDump } from './hex-dump.ts';
import { type PrintNames, table } from './print-names.ts';
import { PACKET_IN_REASONS } from './reasons.ts';

const ODPP_NONE = 0xffff_ffff;
const UNKNOWN_COOKIE = 0xffff_ffff_ffff_ffffn;

export function printPacketIn(p: PacketIn, verbosity: number, names: PrintNames): string {
  let out = '';
  if (p.tableId !== 0) out += ` table_id=${table(p.tableId, names)}`;
  if (p.cookie !== UNKNOWN_COOKIE) out += ` cookie=0x${p.cookie.toString(16)}`;
  out += ` total_len=${p.totalLen} ${formatMatch(p.metadata, { names: names.ports })}`;
  out += ` (via ${reason(p.reason)})`;
  out += ` data_len=${p.packet.length}`;
  if (p.bufferId === OFP_NO_BUFFER) {
    out += ' (unbuffered)';
    if (p.totalLen !== p.packet.length) out += ' (***total_len != data_len***)';
  } else {
    out += ` buffer=0x${p.bufferId.toString(16).padStart(8, '0')}`;
    if (p.totalLen < p.packet.length) out += ' (***total_len < data_len***)';
  }
  out += '\n';
  if (p.userdata && p.userdata.length > 0) out += ` userdata=${dotted(p.userdata)}\n`;
  if (p.continuation) out += printContinuation(p.continuation, names);
  return out + printPacket(p.packet, p.metadata.key.packetType, verbosity);
}

function reason(number: number): string {
  return PACKET_IN_REASONS[number] ?? String(number);
}

function dotted(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('.');
}

function printContinuation(c: Continuation, names: PrintNames): string {
  const lines: (readonly [name: string, text: string])[] = [];
  if (c.bridge.some((byte) => byte !== 0)) lines.push(['bridge', uuid(c.bridge)]);
  if (c.stack.length > 0) {
    lines.push([
      'stack',
      `(top)${c.stack.map((v) => (v === 0n ? ' 0' : ` 0x${v.toString(16)}`)).join('')} (bottom)`,
    ]);
  }
  if (c.mirrors !== 0) lines.push(['mirrors', `0x${c.mirrors.toString(16)}`]);
  if (c.conntracked) lines.push(['conntracked', 'true']);
  const all = c.outer ? [c, ...c.outer] : [c].filter(isFrame);
  const frames = all.map((frame) => frameText(frame, names));
  if (frames.length > 0) lines.push(['actions', frames.join(',')]);
  if (c.actionSet.length > 0) lines.push(['action_set', formatActions(c.actionSet, names)]);
  if (c.odpPort !== ODPP_NONE && c.odpPort !== 0) lines.push(['odp_port', String(c.odpPort)]);
  return lines.map(([name, text]) => ` continuation.${name}=${text}\n`).join('');
}

type Frame = Pick<Continuation, 'tableId' | 'cookie' | 'actions'>;

function isFrame({ tableId, cookie, actions }: Frame): boolean {
  return tableId !== 0 || cookie !== 0n || actions.length > 0;
}

/** Where the translation goes on, and what is left to do there. */
function frameText({ tableId, cookie, actions }: Frame, names: PrintNames): string {
  const unroll = `unroll_xlate(table=${tableId}, cookie=${cookie})`;
  return actions.length === 0 ? unroll : `${unroll},${formatActions(actions, names)}`;
}

/** As the host has it in memory: words of 32 bits, the least significant byte first. */
function uuid(bytes: Uint8Array): string {
  const dv = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const words = [0, 4, 8, 12].map((o) => dv.getUint32(o, true).toString(16).padStart(8, '0'));
  const hex = words.join('');
  const cut = [0, 8, 12, 16, 20, 32];
  return cut
    .slice(1)
    .map((end, i) => hex.slice(cut[i], end))
    .join('-');
}

export function printPacketOut(p: PacketOut, verbosity: number, names: PrintNames): string {
  let out = ` ${formatMatch(p.metadata, { names: names.ports })}`;
  out += ` actions=${formatActions(p.actions, names)}`;
  if (p.bufferId !== OFP_NO_BUFFER) {
    return `${out} buffer=0x${p.bufferId.toString(16).padStart(8, '0')}`;
  }
  out += ` data_len=${p.packet.length}`;
  if (verbosity === 0 || p.packet.length === 0) return out;
  return `${out}\n${printPacket(p.packet, p.metadata.key.packetType, verbosity)}`;
}

/** Its headers in a line, and all of it where much is asked for. */
function printPacket(packet: Uint8Array, packetType: number, verbosity: number): string {
  let out = verbosity > 0 ? formatPacket(packet, packetType) : '';
  if (verbosity > 2) out += hexDump(packet, false);
  return out;
}

/** A packet's flow and its checksums, as `ovs-ofctl` prints packets; with a line feed. */
export function formatPacket(packet: Uint8Array, packetType = 0): string {
  const isEthernet = packetType === 0;
  const frame = isEthernet ? packet : withEthernet(packet, packetType);
  const [flow, layout] = describePacket(frame, { inPort: OFPP_NONE });
  flow.packetType = packetType;
  const text = formatFlow(flow).replace(/(^|,)in_port=[^,]*(,|$)/, (_, a: string, b: string) =>
    a && b ? ',' : '',
  );
  return `${text}${checksumText(frame, flow, layout)}\n`;
}

/** With the header that a packet without Ethernet lacks. */
function withEthernet(packet: Uint8Array, packetType: number): Uint8Array {
  const frame = new Uint8Array(14 + packet.length);
  frame[12] = packetType >>> 8;
  frame[13] = packetType;
  frame.set(packet, 14);
  return frame;
}

/** Protocol, name of its checksum, where it stands, its length and that of the header. */
const CHECKSUMS = new Map<number, readonly [string, offset: number, size: 2 | 4, header: number]>([
  [6, ['tcp_csum', 16, 2, 20]],
  [17, ['udp_csum', 6, 2, 8]],
  [132, ['sctp_csum', 8, 4, 12]],
  [1, ['icmp_csum', 2, 2, 8]],
  [58, ['icmp6_csum', 2, 2, 4]],
]);

/** Upstream takes for a header what a later fragment begins with. */
function laterFragment(packet: Uint8Array, flow: Flow, { l3 }: PacketLayout): number {
  if (flow.nwFrag !== 3 || flow.dlType !== ETH_P_IP || l3 < 0) return -1;
  return l3 + 4 * (packet[l3]! & 15);
}

function checksumText(packet: Uint8Array, flow: Flow, layout: PacketLayout): string {
  const at = layout.l4 >= 0 ? layout.l4 : laterFragment(packet, flow, layout);
  const rule = CHECKSUMS.get(flow.nwProto);
  if (rule === undefined || at < 0) return '';
  const [name, offset, size, header] = rule;
  if (layout.end - at < header) return '';
  const dv = new DataView(packet.buffer, packet.byteOffset, packet.byteLength);
  const value = size === 2 ? dv.getUint16(at + offset) : dv.getUint32(at + offset);
  return ` ${name}:${value.toString(16)}`;
}
