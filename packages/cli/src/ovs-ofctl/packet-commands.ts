/** Packets: sent out by a switch, composed of a flow, taken apart. */
import { readFileSync, writeFileSync } from 'node:fs';
import { isatty } from 'node:tty';
import {
  fieldPrerequisitesMet,
  formatPacket,
  hexDump,
  Match,
  OFP_NO_BUFFER,
  OFPP_NONE,
  OFPUTIL_P_ANY,
  type OfpBody,
  parseActionsAndProtocols,
  parseMatchField,
  parsePacketOut,
  parsePort,
  setMatchField,
} from '@heddle/openflow';
import { formatFlow } from '@heddle/openflow/match/flow-format';
import {
  describePacket,
  ETH_P_8021Q,
  emitPcapHeader,
  emitPcapRecord,
  type Field,
  fieldByName,
  flowEquals,
  VLAN_CFI,
} from '@heddle/packet';
import { composeFlow } from '@heddle/packet/compose';
import { errorLine, HeddleError, strerror } from '@heddle/runtime/errors';
import { print, printError } from '@heddle/runtime/stdio';
import { type Context, openForMod, transactNoReply } from './context.ts';
import { hexBytes } from './hex-lines.ts';
import { CaptureError, readPcap } from './ofp-parse.ts';
import { PROGRAM } from './program.ts';
import { portsToAccept, tablesToAccept } from './switch-names.ts';

/** `packet-out SWITCH SPEC`, or in the older way `packet-out SWITCH IN_PORT ACTIONS PACKET...`. */
export async function packetOut(ctx: Context): Promise<number> {
  const [target = '', first = '', actions, ...packets] = ctx.args;
  const bodies: OfpBody[] = [];
  let usable = OFPUTIL_P_ANY;
  if (actions === undefined) {
    const tables = await tablesToAccept(ctx.settings, target);
    const ports = await portsToAccept(ctx.settings, target);
    const parsed = parsePacketOut(first, { ports, tables });
    usable = parsed.protocols;
    bodies.push({ ...parsed.packetOut, type: 'packet_out' });
  } else {
    if (packets.length === 0) throw new HeddleError('Too many arguments (4)');
    const ports = await portsToAccept(ctx.settings, target);
    const tables = await tablesToAccept(ctx.settings, target);
    const parsed = parseActionsAndProtocols(actions, { ports, tables, allowInstructions: false });
    usable = parsed.protocols;
    const metadata = new Match();
    const port = parsePort(first, ports);
    if (port === undefined) throw new HeddleError(`${target}: unknown port \`${first}'`);
    setMatchField(metadata, fieldByName('in_port')!, BigInt(port));
    for (const text of packets) {
      const packet = hexBytes(text, 'Trailing garbage in packet data');
      if (packet.length < 14) throw new HeddleError('Packet data too short for Ethernet');
      const body = { packet, bufferId: OFP_NO_BUFFER, metadata, actions: parsed.actions };
      bodies.push({ ...body, type: 'packet_out' });
    }
  }
  const { vconn } = await openForMod(ctx, usable);
  const ok = await transactNoReply(ctx, vconn, bodies);
  vconn.close();
  return ok ? 0 : 1;
}

/** The exit status is the error's number. */
export function parsePcapCommand(ctx: Context): number {
  try {
    for (const file of ctx.args) {
      for (const { data } of readPcap(file)) print(formatPacket(data));
    }
    return 0;
  } catch (error) {
    if (!(error instanceof CaptureError)) throw error;
    printError(errorLine(PROGRAM, error));
    return error.errno & 0xff;
  }
}

/** Bytes from standard input. */
export function parsePacket(): number {
  return print(formatPacket(new Uint8Array(readFileSync(0))));
}

/** `VALUE/MASK`, and flags with signs, which say nothing of others. */
function isMasked({ format }: Field, value: string): boolean {
  return value.includes('/') || (/ (flags|state)$/.test(format) && /^[+-]/.test(value));
}

/** A field of a packet: what it belongs to has been told, and no bit is open. */
function setExactly(match: Match, key: string, value: string, text: string): void {
  const field = fieldByName(key);
  if (field && !fieldPrerequisitesMet(field, match)) {
    throw new HeddleError(`${text}: prerequisites not met for setting ${key}`);
  }
  const refuse = (why: string): never => {
    throw new HeddleError(`${text}: bad value for ${key} (${why})`);
  };
  if (field && value === '') refuse(`${value}: bad syntax for ${field.name} value`);
  if (field && isMasked(field, value)) refuse(`${value}: wildcards not allowed here`);
  try {
    if (parseMatchField(match, key, value) !== undefined) return;
  } catch (error) {
    if (!(error instanceof HeddleError)) throw error;
    refuse(error.message);
  }
  throw new HeddleError(`${text}: unknown field ${key}`);
}

/** As Open vSwitch's files have it. */
const SNAPLEN = 1518;

function writePcap(data: Uint8Array): number {
  if (isatty(1)) {
    const advice = 'redirect to a file or pipe to tcpdump instead';
    throw new HeddleError(`not writing pcap data to stdout; ${advice} (${strerror('EPERM')})`);
  }
  const record = emitPcapRecord({ timeUs: Date.now() * 1000, data });
  writeFileSync(1, Buffer.concat([emitPcapHeader(SNAPLEN), record]));
  return 0;
}

/** A packet that has the fields of a flow; a second argument is the payload in hex, or its length. */
export function composePacket(ctx: Context): number {
  const [text = '', payload] = ctx.args;
  const match = new Match();
  for (const word of text.match(/(?:[^,\s(]|\([^)]*\))+/g) ?? []) {
    const [key = '', value = ''] = word.split(/=(.*)/s);
    setExactly(match, key, value, text);
  }
  const why = `${payload}: trailing garbage in packet data`;
  const body = payload === undefined ? undefined : hexBytes(payload, why);
  const packet = composeFlow(match.key, body);
  const differs = tellDifference(match, packet);
  const code = ctx.settings.pcap ? writePcap(packet) : print(hexDump(packet, false));
  return differs ? 1 : code;
}

/** Says so when the packet has not all that was asked for. */
function tellDifference({ key, mask }: Match, packet: Uint8Array): boolean {
  if (mask.inPort === 0) key.inPort = OFPP_NONE;
  if ((key.vlanTci0 & VLAN_CFI) !== 0 && key.vlanTpid0 === 0) key.vlanTpid0 = ETH_P_8021Q;
  const [found] = describePacket(packet, { inPort: OFPP_NONE });
  if (flowEquals(key, found)) return false;
  key.conjId = 0;
  const lines = [
    'specified and extracted flows differ:',
    `specified: ${formatFlow(key)}`,
    `extracted: ${formatFlow(found)}`,
  ];
  writeFileSync(2, lines.join('\n'));
  return true;
}
