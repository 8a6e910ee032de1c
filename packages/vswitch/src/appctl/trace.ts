/** ofproto/trace (ovs-vswitchd(8)). */
import { keyOfAttrs, OdpKeyError, OdpParseError, parseOdpAttrs } from '@heddle/datapath';
import { Match, OFPTT_ALL, type OfpAct, OfpError, parseActionsText } from '@heddle/openflow';
import { describePacket, Flow, fromHex, isTunnelled } from '@heddle/packet';
import { HeddleError, type UnixctlCommands, UnixctlError } from '@heddle/runtime';
import type { Backer } from '../backer.ts';
import { checkReferences, checkRule } from '../ofproto/check.ts';
import type { Ofproto } from '../ofproto.ts';
import type { Switch } from '../switch.ts';
import { parseOpenFlowFlow } from '../trace/flow-parse.ts';
import { parseCtState, traceAll } from '../trace/trace.ts';
import { limitTags } from '../xlate/tags.ts';
import type { XlateEffects } from '../xlate/xlate.ts';

const ETH_HEADER_BYTES = 14;
const MAX_L7_BYTES = 64_000;
const CS_TRACKED = 0x20;

/** What is asked of a switch. */
export interface TracedSwitch {
  readonly bridges: ReadonlyMap<string, TracedBridge>;
  readonly backers: Switch['backers'];
}

interface TracedBridge {
  readonly ofproto: Ofproto;
  readonly ifaces: ReadonlyMap<string, { readonly port?: { readonly ofport: number } | undefined }>;
  readonly backer: Pick<Backer, 'xlateConfig'> & Partial<Pick<Backer, 'dpif'>>;
}

interface Request {
  readonly backer: Pick<Backer, 'xlateConfig'> & Partial<Pick<Backer, 'dpif'>>;
  readonly bridge: Ofproto;
  readonly flow: Flow;
  readonly ofport: number;
}

interface Words {
  readonly args: readonly string[];
  readonly generate: boolean;
  readonly ctNext: readonly number[];
  /** Ports by their names. */
  readonly names: boolean;
}

type FlowMemory = Parameters<typeof parseOpenFlowFlow>[3];

/** Of the last flow that was traced: nothing of a trace keeps it. */
const memory = { flow: new Flow(), mask: new Flow() };

const REQUEST = '{[dp_name] odp_flow | bridge br_flow} [OPTIONS...] [-generate|packet]';

export function registerTrace(server: UnixctlCommands, sw: TracedSwitch): void {
  server.register('ofproto/trace', REQUEST, 1, Infinity, (argv) => traceCommand(sw, argv));
  const usage = `[-consistent] ${REQUEST} actions`;
  server.register('ofproto/trace-packet-out', usage, 2, Infinity, (argv) => {
    const actions = parseActionsText(argv.at(-1)!, { allowInstructions: false });
    const words = argv.slice(0, -1).filter((word) => !/^--?consistent$/.test(word));
    return traceCommand(sw, words, { actions, isConsistent: words.length < argv.length - 1 });
  });
}

interface PacketOut {
  readonly actions: readonly OfpAct[];
  /** What OpenFlow 1.0 lets pass as a no-op is refused. */
  readonly isConsistent: boolean;
}

/** As a packet-out with them would be refused. */
function checkedActions(
  { actions, isConsistent }: PacketOut,
  { bridge, flow, ofport }: Request,
): readonly OfpAct[] {
  const match = Match.exact(flow);
  match.key.inPort = ofport;
  try {
    const checked = checkRule(bridge, match, OFPTT_ALL, actions, isConsistent ? 2 : 1);
    checkReferences(bridge, checked);
    return checked;
  } catch (error) {
    if (!(error instanceof OfpError)) throw error;
    throw new UnixctlError(`Bad actions: ${error.ofpErr}`);
  }
}

function traceCommand(sw: TracedSwitch, argv: readonly string[], packetOut?: PacketOut): string {
  const { args, generate, ctNext, names } = takeOptions(argv);
  const frame = generate ? undefined : packetAmong(args);
  const rest = frame === undefined ? args : args.slice(0, -1);
  const request = parseRequest(sw, rest, memory);
  const { backer, bridge, ofport } = request;
  const { vlanLimit } = backer.xlateConfig;
  const flow = frame === undefined ? request.flow : packetFlow(frame, request.flow, vlanLimit);
  const withPacket = generate || frame !== undefined;
  const entry = { bridge, ofport };
  const actions = packetOut && checkedActions(packetOut, { ...request, flow });
  const options = {
    ...{ withPacket, entry, ...(actions && { actions }), ...(frame && { frame }) },
    ...(names && { portName: portNames(backer) }),
  };
  const done = withPacket ? applyLearned : undefined;
  return traceAll(backer.xlateConfig, flow, ofport, options, ctNext, done);
}

/** What a packet would teach the switch; it counts nowhere. */
function applyLearned({ learn, mcast, flows }: XlateEffects): void {
  for (const { bridge, vlan, mac, bundle } of learn) bridge.macs.learn(vlan, mac, bundle);
  for (const { bridge, vlan, bundle, message } of mcast) {
    bridge.snooping?.hear(vlan, bundle, message);
  }
  for (const { bridge, flowMod, limit, table } of flows) bridge.learnFlow(flowMod, limit, table);
}

/** The packet's headers with what came along, as the flow says it. */
function packetFlow(frame: Uint8Array, along: Flow, vlanLimit: number): Flow {
  const { inPort, pktMark } = along;
  const flow = limitTags(describePacket(frame, { inPort, pktMark })[0], vlanLimit);
  flow.tlv = along.tlv;
  const [to, from] = [flow, along] as unknown as Record<string, unknown>[];
  // Of a packet that was not tracked nothing is known, nor of what no tunnel brought.
  const isKept = { ct: along.ctState !== 0, tun: isTunnelled(along) };
  for (const name of ALONG) {
    const kind = /^(ct|tun)[A-Z]/.exec(name)?.[1] as keyof typeof isKept | undefined;
    if (kind === undefined || isKept[kind]) to![name] = from![name];
  }
  return flow;
}

/** Fields that are not in the packet and yet a datapath knows. */
const ALONG = Object.getOwnPropertyNames(Object.getPrototypeOf(Flow.prototype)).filter((name) =>
  /^(tun|ct)[A-Z]|^(skbPriority|dpHash|recircId)$/.test(name),
);

/** Options stand before the flow or after it. */
function takeOptions(argv: readonly string[]): Words {
  const args: string[] = [];
  let generate = false;
  let names = false;
  const ctNext: number[] = [];
  for (let i = 0; i < argv.length; i++) {
    const word = argv[i]!;
    if (!word.startsWith('-')) args.push(word);
    else if (/^--?generate$/.test(word)) generate = true;
    else if (/^--?names$/.test(word)) names = true;
    else if (/^--?ct-next$/.test(word)) {
      const text = argv[++i];
      if (text === undefined) throw new UnixctlError(`Missing argument for option ${word}`);
      const flags = text.split(/[, ]+/).filter(Boolean);
      const unknown = flags.find((flag) => parseCtState(flag, /[, ]/) === undefined);
      if (unknown !== undefined) {
        throw new UnixctlError(`${unknown}: unknown connection tracking state flag`);
      }
      const state = parseCtState(text, /[, ]+/)!;
      if (state !== 0 && (state & CS_TRACKED) === 0) {
        const why = 'If "trk" is unset, no other flags are set';
        throw new UnixctlError(`${text}: invalid connection state: ${why}`);
      }
      ctNext.push(state);
    } else if (/^--?(l7|l7-len)$/.test(word)) {
      // What the payload is decides nothing.
      const text = argv[++i];
      if (text === undefined) throw new UnixctlError(`Missing argument for option ${word}`);
      if (word.endsWith('l7') && !isHex(text)) throw new UnixctlError(GARBAGE);
      const isTooLong = (Number.parseInt(text, 10) || 0) >>> 0 > MAX_L7_BYTES;
      if (word.endsWith('len') && isTooLong) throw new UnixctlError(`${text}: too much L7 data`);
    } else throw new UnixctlError(`${word}: unknown option`);
  }
  if (args.length === 0) throw new UnixctlError('Syntax error');
  if (args.length > 3) throw new UnixctlError('too many arguments');
  if (generate && args.length > 2) throw new UnixctlError('Syntax error');
  return { args, generate, ctNext, names };
}

const GARBAGE = 'Trailing garbage in packet data';

function isHex(text: string): boolean {
  return /^(\s*[0-9a-fA-F]{2})*\s*$/.test(text);
}

/** The last word when it is a packet; a flow always has a character that hex digits lack. */
export function frameOf(word: string): Uint8Array | undefined {
  return /^[0-9a-fA-F\s]+$/.test(word) ? packetOf(word) : undefined;
}

/** The packet of three words; of two the last may be one or a flow. */
function packetAmong(args: readonly string[]): Uint8Array | undefined {
  const last = args.at(-1)!;
  if (args.length === 3) return packetOf(last);
  const isLong = last.replaceAll(/\s/g, '').length >= 2 * ETH_HEADER_BYTES;
  return args.length === 2 && isLong && isHex(last) ? packetOf(last) : undefined;
}

function packetOf(text: string): Uint8Array {
  if (!isHex(text)) throw new UnixctlError(GARBAGE);
  const bytes = fromHex(text.replaceAll(/\s/g, ''));
  if (bytes.length < ETH_HEADER_BYTES) {
    throw new UnixctlError('Packet data too short for Ethernet');
  }
  return bytes;
}

/** The flow is in `memory` if that is given and it is one of a bridge. */
export function parseRequest(
  sw: TracedSwitch,
  args: readonly string[],
  memory?: FlowMemory,
): Request {
  const text = args.at(-1) ?? '';
  const name = args.length > 1 ? args[0] : undefined;
  if (args.length > 2) throw new UnixctlError(GARBAGE);
  const isAlike = /^[\s,]*([a-z0-9_]*\(|ufid:|$)/.test(text);
  // Behind a name what is no flow of a datapath is one of a bridge.
  if (isAlike && (name === undefined || isDatapathFlow(sw, text))) {
    return parseDatapathFlow(sw, name, text);
  }
  if (name === undefined) {
    throw new UnixctlError(`syntax error at ${text} (or the bridge name was omitted)`);
  }
  return parseBridgeFlow(sw, name, text, memory);
}

function parseDatapathFlow(sw: TracedSwitch, name: string | undefined, text: string): Request {
  const backers = [...sw.backers.values()];
  const isNamed = ({ dpif: { type, name: own } }: Backer) =>
    name !== undefined && [`${type}@${own}`, own, type].includes(name);
  const backer = name === undefined ? backers[0] : backers.find(isNamed);
  if (!backer) throw new UnixctlError('Cannot find the datapath');
  if (name === undefined && backers.length > 1) {
    throw new UnixctlError('More than one datapath: name one');
  }
  const flow = keyFromText(text, backer);
  const { recircId } = flow;
  if (recircId !== 0 && !backer.xlateConfig.recirc.get(recircId)) {
    throw new UnixctlError(`no recirculation data for recirc_id 0x${recircId.toString(16)}`);
  }
  const isOuter = isTunnelled(flow);
  const port = isOuter ? backer.xlateConfig.tunnels?.receive(flow) : backer.ports.get(flow.inPort);
  if (!port && isOuter) throw new UnixctlError('no OpenFlow tunnel port for this packet');
  if (!port) throw new UnixctlError(`no OpenFlow port for datapath port ${flow.inPort}`);
  return { backer, bridge: port.bundle.bridge, flow, ofport: port.ofport };
}

function isDatapathFlow({ backers }: TracedSwitch, text: string): boolean {
  const portNumber = portNumbers([...backers.values()]);
  try {
    parseOdpAttrs(text, { portNumber, isMasked: true });
    return true;
  } catch (error) {
    if (error instanceof OdpParseError) return false;
    throw error;
  }
}

function portNames({ dpif }: Request['backer']): (port: number) => string | undefined {
  const names = new Map([...(dpif?.ports() ?? [])].map((p) => [p.portNo, p.name]));
  return (port) => names.get(port);
}

function portNumbers(backers: readonly Backer[]): (name: string) => number | undefined {
  const ports = backers.flatMap(({ dpif }) => [...dpif.ports()]);
  const numbers = new Map(ports.map((p) => [p.name, p.portNo]));
  return (name) => numbers.get(name);
}

/** Of too many attributes or too few what there is counts. */
function keyFromText(text: string, backer: Backer): Flow {
  const { xlateConfig } = backer;
  const portNumber = portNumbers([backer]);
  try {
    const attrs = parseOdpAttrs(text, { portNumber, isMasked: true });
    return keyOfAttrs(attrs, { vlanLimit: xlateConfig.vlanLimit }).flow;
  } catch (error) {
    if (error instanceof OdpKeyError) throw new UnixctlError(error.message);
    if (!(error instanceof OdpParseError)) throw error;
    throw new UnixctlError(`${error.message} (or the bridge name was omitted)`);
  }
}

function parseBridgeFlow(
  sw: TracedSwitch,
  name: string,
  text: string,
  memory: FlowMemory | undefined,
): Request {
  const found = sw.bridges.get(name);
  if (!found) throw new UnixctlError(`${name}: unknown bridge`);
  const bridge = found.ofproto;
  const { flow, ofport } = parseBridgeText(
    text,
    (port) => found.ifaces.get(port)?.port?.ofport,
    bridge.tlv,
    memory,
  );
  flow.inPort = bridge.ports.get(ofport)?.odpPort ?? 0xffff;
  return { backer: found.backer, bridge, flow, ofport };
}

function parseBridgeText(
  ...args: Parameters<typeof parseOpenFlowFlow>
): ReturnType<typeof parseOpenFlowFlow> {
  try {
    return parseOpenFlowFlow(...args);
  } catch (error) {
    if (!(error instanceof HeddleError)) throw error;
    throw new UnixctlError(`Bad openflow flow syntax: ${error.message}`);
  }
}
