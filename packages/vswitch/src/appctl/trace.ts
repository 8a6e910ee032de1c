/** ofproto/trace (ovs-vswitchd(8)). */
import { OdpParseError, parseOdpFlow } from '@heddle/datapath';
import { extractFlow, type Flow, fromHex } from '@heddle/packet';
import { UnixctlError, type UnixctlServer } from '@heddle/runtime';
import type { Backer } from '../backer.ts';
import type { Ofproto } from '../ofproto.ts';
import type { Switch } from '../switch.ts';
import { parseOpenFlowFlow } from '../trace/flow-parse.ts';
import { trace } from '../trace/trace.ts';

const ETH_HEADER_BYTES = 14;

interface Request {
  readonly backer: Backer;
  readonly bridge: Ofproto;
  readonly flow: Flow;
  readonly ofport: number;
}

interface Words {
  readonly args: readonly string[];
  readonly generate: boolean;
}

export function registerTrace(server: UnixctlServer, sw: Switch): void {
  const usage = '{[dp_name] odp_flow | bridge br_flow} [OPTIONS...] [-generate|packet]';
  server.register('ofproto/trace', usage, 1, Infinity, (argv) => {
    const { args, generate } = takeOptions(argv);
    const frame = generate ? undefined : frameOf(args.at(-1)!);
    const rest = frame === undefined ? args : args.slice(0, -1);
    const request = parseRequest(sw, rest);
    const { backer, bridge, ofport } = request;
    const flow = frame === undefined ? request.flow : extractFlow(frame, metadata(request.flow));
    const withPacket = generate || frame !== undefined;
    const { text, result } = trace(backer.xlateConfig, flow, ofport, {
      withPacket,
      entry: { bridge, ofport },
    });
    if (withPacket) {
      for (const { bridge: at, vlan, mac, bundle } of result.effects.learn) {
        at.macs.learn(vlan, mac, bundle);
      }
    }
    return text;
  });
}

function metadata(flow: Flow): { inPort: number; pktMark: number } {
  return { inPort: flow.inPort, pktMark: flow.pktMark };
}

/** Options stand before the flow or after it. */
function takeOptions(argv: readonly string[]): Words {
  const args: string[] = [];
  let generate = false;
  for (let i = 0; i < argv.length; i++) {
    const word = argv[i]!;
    if (/^--?generate$/.test(word)) generate = true;
    else if (/^--?(l7|l7-len|ct-next)$/.test(word)) {
      // What the payload is decides nothing, and there is no connection tracker yet.
      if (++i >= argv.length) throw new UnixctlError(`Missing argument for option ${word}`);
    } else if (word.startsWith('-')) throw new UnixctlError(`${word}: unknown option`);
    else args.push(word);
  }
  if (args.length === 0) throw new UnixctlError('Syntax error');
  if (args.length > 3) throw new UnixctlError('too many arguments');
  if (generate && args.length > 2) throw new UnixctlError('Syntax error');
  return { args, generate };
}

/** The last word when it is a packet; a flow always has a character that hex digits lack. */
function frameOf(word: string): Uint8Array | undefined {
  if (!/^[0-9a-fA-F\s]+$/.test(word)) return undefined;
  const digits = word.replaceAll(/\s/g, '');
  if (digits.length % 2 !== 0) throw new UnixctlError('Trailing garbage in packet data');
  const bytes = fromHex(digits);
  if (bytes.length < ETH_HEADER_BYTES) {
    throw new UnixctlError('Packet data too short for Ethernet');
  }
  return bytes;
}

function parseRequest(sw: Switch, args: readonly string[]): Request {
  const text = args.at(-1) ?? '';
  const name = args.length > 1 ? args[0] : undefined;
  if (args.length > 2) throw new UnixctlError('Trailing garbage in packet data');
  if (/^[a-z0-9_]+\(/.test(text.trim())) return parseDatapathFlow(sw, name, text);
  if (name === undefined) {
    throw new UnixctlError(`syntax error at ${text} (or the bridge name was omitted)`);
  }
  return parseBridgeFlow(sw, name, text);
}

function parseDatapathFlow(sw: Switch, name: string | undefined, text: string): Request {
  const backers = [...sw.backers.values()];
  const isNamed = ({ dpif }: Backer) => name === `${dpif.type}@${dpif.name}` || name === dpif.name;
  const backer = name === undefined ? backers[0] : backers.find(isNamed);
  if (!backer) throw new UnixctlError('Cannot find the datapath');
  if (name === undefined && backers.length > 1) {
    throw new UnixctlError('More than one datapath: name one');
  }
  const numbers = new Map([...backer.dpif.ports()].map((p) => [p.name, p.portNo]));
  let flow: Flow;
  try {
    flow = parseOdpFlow(text, { portNumber: (port) => numbers.get(port) }).key;
  } catch (error) {
    if (!(error instanceof OdpParseError)) throw error;
    throw new UnixctlError(`${error.message} (or the bridge name was omitted)`);
  }
  const port = backer.ports.get(flow.inPort);
  if (!port) throw new UnixctlError(`no OpenFlow port for datapath port ${flow.inPort}`);
  return { backer, bridge: port.bundle.bridge, flow, ofport: port.ofport };
}

function parseBridgeFlow(sw: Switch, name: string, text: string): Request {
  const found = sw.bridges.get(name);
  if (!found) throw new UnixctlError(`${name}: unknown bridge`);
  const bridge = found.ofproto;
  const { flow, ofport } = parseOpenFlowFlow(text, (port) => found.ifaces.get(port)?.port?.ofport);
  flow.inPort = bridge.ports.get(ofport)?.odpPort ?? 0xffff;
  return { backer: found.backer, bridge, flow, ofport };
}
