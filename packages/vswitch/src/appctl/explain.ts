/** `heddle/explain`: a trace in plain words (`heddle explain`). */
import { describePacket } from '@heddle/packet';
import { HeddleError, UnixctlError, type UnixctlServer } from '@heddle/runtime';
import type { Bridge } from '../bridge.ts';
import { controllersOf } from '../controller-rows.ts';
import { dropReport, dropReportText } from '../explain/drop-report.ts';
import type { BridgeFacts, ExplainEnv } from '../explain/env.ts';
import { explain } from '../explain/explain.ts';
import { explanationText } from '../explain/explain-text.ts';
import type { OfPort, Ofproto } from '../ofproto.ts';
import type { Switch } from '../switch.ts';
import { parseCtState } from '../trace/trace.ts';
import { bridgeOf } from './lookup.ts';
import { frameOf, parseRequest } from './trace.ts';

const USAGE = '[--json] [--to=PORT] [--ct-next=STATE]... bridge br_flow [packet]';

export function registerExplain(server: UnixctlServer, sw: Switch): void {
  server.register('heddle/explain', USAGE, 2, Infinity, (argv) => {
    const { json, to, ctNext, args } = takeOptions(argv);
    const [name, text = '', packet] = args;
    if (name === undefined || args.length < 2 || args.length > 3) {
      throw new UnixctlError(`usage: heddle/explain ${USAGE}`);
    }
    const bridge = bridgeOf(sw, name, `${name}: unknown bridge`);
    const frame = packet === undefined ? undefined : frameOf(packet);
    if (packet !== undefined && !frame) throw new UnixctlError('bad hex digits in packet data');
    const request = parsed(() => parseRequest(sw, [name, text]));
    const { inPort, pktMark } = request.flow;
    const flow = frame ? describePacket(frame, { inPort, pktMark })[0] : request.flow;
    const ofport = request.ofport === OFPP_NONE ? portOfSource(bridge, flow.dlSrc) : request.ofport;
    if (ofport !== request.ofport)
      flow.inPort = bridge.ofproto.ports.get(ofport)?.odpPort ?? 0xffff;
    bridge.ofprotoDpif.syncStats();
    const env = explainEnv(sw, request.backer.xlateConfig, () => bridge.ofprotoDpif.nowMs());
    const explanation = explain(
      env,
      { bridge: request.bridge, flow, ofport, length: frame?.length },
      { to: to === undefined ? undefined : portNamed(sw, to), ctNext },
    );
    return json ? `${JSON.stringify(explanation)}\n` : explanationText(explanation);
  });
  registerDrops(server, sw);
}

const OFPP_NONE = 0xffff;

function registerDrops(server: UnixctlServer, sw: Switch): void {
  server.register('heddle/drops', '[--json] bridge', 1, 2, (argv) => {
    const bridge = bridgeOf(sw, argv.at(-1)!, `${argv.at(-1)}: unknown bridge`);
    const { backer, ofprotoDpif, ofproto } = bridge;
    ofprotoDpif.syncStats();
    const env = explainEnv(sw, backer.xlateConfig, () => ofprotoDpif.nowMs());
    const report = dropReport(env, ofproto, (port) => ofprotoDpif.portStats(port));
    return argv[0] === '--json' ? `${JSON.stringify(report)}\n` : dropReportText(report);
  });
}

/** Without an input port it came by the one where its source was seen. */
function portOfSource({ ofproto }: Bridge, source: number): number {
  for (const { mac, port } of ofproto.macs.entries()) {
    if (mac === source && port.ports[0]) return port.ports[0].ofport;
  }
  return OFPP_NONE;
}

function parsed<T>(body: () => T): T {
  try {
    return body();
  } catch (error) {
    if (!(error instanceof HeddleError)) throw error;
    throw new UnixctlError(error.message);
  }
}

interface Options {
  readonly json: boolean;
  readonly to: string | undefined;
  readonly ctNext: readonly number[];
  readonly args: readonly string[];
}

function takeOptions(argv: readonly string[]): Options {
  const args: string[] = [];
  const ctNext: number[] = [];
  let json = false;
  let to: string | undefined;
  for (const word of argv) {
    const [, name, value] = /^--([a-z-]+)(?:=(.*))?$/s.exec(word) ?? [];
    if (name === undefined) args.push(word);
    else if (name === 'json') json = true;
    else if (name === 'to' && value !== undefined) to = value;
    else if (name === 'ct-next' && value !== undefined) {
      const state = parseCtState(value);
      if (state === undefined) {
        throw new UnixctlError(`${value}: unknown connection tracking state flag`);
      }
      ctNext.push(state);
    } else throw new UnixctlError(`${word}: unknown option`);
  }
  return { json, to, ctNext, args };
}

function portNamed(sw: Switch, name: string): OfPort {
  for (const iface of sw.ifaces()) if (iface.name === name && iface.port) return iface.port;
  throw new UnixctlError(`${name}: no such port`);
}

function explainEnv(sw: Switch, config: ExplainEnv['config'], nowMs: () => number): ExplainEnv {
  return {
    config,
    nowMs,
    facts: (ofproto) => factsOf(sw, ofproto),
    link: (name) => {
      const link = sw.devices.device(name);
      return link && { mtu: link.mtu, carrier: link.carrier || !link.up };
    },
  };
}

function factsOf(sw: Switch, ofproto: Ofproto): BridgeFacts {
  const bridge = sw.bridges.get(ofproto.name);
  if (!bridge) return { isSecure: false, controllers: [], broken: [] };
  return {
    isSecure: bridge.row.fail_mode === 'secure',
    controllers: controllersOf(sw.idl, bridge.row).map(({ target }) => ({
      target,
      isConnected: bridge.connections.status(target)?.isConnected ?? false,
    })),
    broken: [...bridge.ifaces.values()].flatMap(({ name, error }) =>
      error === undefined ? [] : [{ name, error }],
    ),
  };
}
