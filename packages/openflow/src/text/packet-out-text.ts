/** Packet-outs in text (ovs-ofctl(8), "Packet-Out Syntax"). */
import { fieldByName } from '@heddle/packet';
import { parseActionsAndProtocols } from '../actions/index.ts';
import type { TableNames } from '../actions/table-names.ts';
import { KeyValueScanner } from '../actions/text-scan.ts';
import { fail } from '../actions/text-values.ts';
import { OFP_NO_BUFFER, OFPP_CONTROLLER, OFPP_LOCAL, OFPP_MAX, OFPP_NONE } from '../constants.ts';
import { setMatchField } from '../match/match-field.ts';
import { parseMatchField } from '../match/match-parse.ts';
import { type PortNames, parsePort } from '../match/ofp-port.ts';
import { OFPUTIL_P_ANY, type Protocols } from '../match/protocols.ts';
import { Match } from '../match.ts';
import type { PacketOut } from '../messages.ts';

export interface PacketOutTextOptions {
  readonly ports?: PortNames | undefined;
  readonly tables?: TableNames | undefined;
}

export interface ParsedPacketOut {
  readonly packetOut: PacketOut;
  readonly protocols: Protocols;
}

const ETH_HEADER_LEN = 14;
const inPort = fieldByName('in_port')!;

/** Errors are ovs-ofctl's, as HeddleError. */
export function parsePacketOut(text: string, options: PacketOutTextOptions = {}): ParsedPacketOut {
  const at = text.indexOf('action');
  const equals = at < 0 ? -1 : text.indexOf('=', at);
  const metadata = new Match();
  setMatchField(metadata, inPort, BigInt(OFPP_CONTROLLER));
  let packet: Uint8Array | undefined;
  let usable: Protocols = OFPUTIL_P_ANY;
  const scan = new KeyValueScanner(at < 0 ? text : text.slice(0, at));
  while (scan.next()) {
    const { key, value } = scan;
    if (value === '') fail(`field ${key} missing value`);
    if (key === 'in_port') {
      const port = parsePort(value, options.ports);
      if (port === undefined) fail(`${value} is not a valid OpenFlow port`);
      if (!maySend(port)) fail(`${value} is not a valid OpenFlow port for PACKET_OUT`);
      setMatchField(metadata, inPort, BigInt(port));
    } else if (key === 'packet') {
      packet = parsePacket(value);
    } else {
      usable &= parsePipelineField(metadata, key, value, options.ports);
    }
  }
  if (!packet) fail('must specify packet');
  const { actions, protocols } = parseActionsAndProtocols(
    equals < 0 ? '' : text.slice(equals + 1),
    { ...options, allowInstructions: false },
  );
  return {
    packetOut: { packet, bufferId: OFP_NO_BUFFER, metadata, actions },
    protocols: protocols & usable,
  };
}

function maySend(port: number): boolean {
  return port < OFPP_MAX || port === OFPP_LOCAL || port === OFPP_NONE || port === OFPP_CONTROLLER;
}

function parsePacket(value: string): Uint8Array {
  if (!/^(?:[0-9a-fA-F]{2})*$/.test(value)) fail('packet: Trailing garbage in packet data');
  const packet = Uint8Array.from(Buffer.from(value, 'hex'));
  if (packet.length < ETH_HEADER_LEN) fail('packet: Packet data too short for Ethernet');
  return packet;
}

const PIPELINE = /^(?:tun_(?!tos|ttl)|x{0,2}reg\d|metadata$|packet_type$|in_port)/;

/** What a packet carries besides its bytes. Returns the protocols that can say so. */
function parsePipelineField(
  metadata: Match,
  key: string,
  value: string,
  ports: PortNames | undefined,
): Protocols {
  const field = fieldByName(key);
  if (!field) fail(`unknown keyword ${key}`);
  if (!PIPELINE.test(field.name)) {
    fail(`${key} is not a valid pipeline field for PACKET_OUT`);
  }
  return parseMatchField(metadata, key, value, ports) ?? OFPUTIL_P_ANY;
}
