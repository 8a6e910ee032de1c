/** Why a packet goes where it goes, and what would change it. */
import { formatMatch } from '@heddle/openflow';
import { formatMac } from '@heddle/packet';
import { HeddleError } from '@heddle/runtime';
import type { FlowOrigin } from '../ofproto/origins.ts';
import { originOf } from '../ofproto/origins.ts';
import type { Rule } from '../ofproto/rule.ts';
import type { OfPort } from '../ofproto.ts';
import { formatMegaflow, formatOpenFlowFlow } from '../trace/flow-text.ts';
import { ctStateText } from '../trace/trace.ts';
import { tagsOf } from '../xlate/tags.ts';
import { actionsText } from '../xlate/text.ts';
import { candidates, exceptions } from './candidates.ts';
import type { Edit } from './edits.ts';
import type { ExplainEnv } from './env.ts';
import type {
  EditFact,
  Explanation,
  FlowFact,
  NearMissFact,
  OutputFact,
  ReasonFact,
  StepFact,
} from './explanation.ts';
import { type NearMiss, nearMisses } from './near-miss.ts';
import { notesOf } from './notes.ts';
import { type Delivery, deliveries, payloadBytes } from './outcome.ts';
import { reasonText } from './reasons.ts';
import { type Drop, eventsOf, mainDrop, type Packet, type Walk, walk } from './walk.ts';

const MAX_EDITS = 3;
const MAX_TRIES = 16;
const MAX_NEAR_MISSES = 5;
const NEAR_MISS_FIELDS = 2;

export interface ExplainOptions {
  /** The port that it is to reach. */
  readonly to?: OfPort | undefined;
  readonly ctNext?: readonly number[];
}

export function explain(
  env: ExplainEnv,
  packet: Packet,
  { to, ctNext = [] }: ExplainOptions = {},
): Explanation {
  const way = walk(env.config, packet, ctNext);
  const out = deliveries(way, packet, env);
  const arrives = (list: readonly Delivery[]) =>
    list.filter((d) => d.exceeds === undefined && isWanted(d, to));
  const isForwarded = out.some((d) => d.mirror === undefined);
  const misses = nearMissesOf(way, isForwarded);
  const seen = way.passes[0]!.result.seen;
  const toController = eventsOf(way, 'controller').length > 0;
  const isMissing = arrives(out).length === 0;
  const obstacle = isMissing
    ? out.find((d) => d.exceeds !== undefined && isWanted(d, to))
    : undefined;
  const drop = (isMissing || !isForwarded) && !obstacle ? dropOf(way, to) : undefined;
  const tries = function* (): Generator<Edit> {
    if (obstacle) yield mtuEdit(obstacle, packet);
    else if (isMissing) yield* triesFor(way, drop, { to, nearMisses: misses }, env);
  };
  const reason = reasonOf(drop, obstacle, packet, to, out, env);
  return {
    bridge: packet.bridge.name,
    flow: formatOpenFlowFlow(seen.flow, packet.ofport),
    verdict: isForwarded ? 'forwarded' : toController ? 'controller' : 'dropped',
    outputs: out.map(outputFact),
    steps: stepsOf(way, env),
    ...(reason && { reason }),
    nearMisses: misses.map((m) => nearMissFact(m, way, env)),
    edits: tried(tries(), env, packet, ctNext, arrives),
    notes: notesOf(env, packet, way, out, isMissing && !obstacle),
    megaflow: formatMegaflow(seen.flow, seen.wildcards, packet.ofport),
  };
}

/** A mirror's copy is what is asked for only where it goes. */
function isWanted({ port, mirror }: Delivery, to: OfPort | undefined): boolean {
  return to === undefined ? mirror === undefined : port === to;
}

/** Why it did not get to `to`, or nowhere. */
function dropOf(way: Walk, to: OfPort | undefined): Drop | undefined {
  const drops = eventsOf(way, 'drop');
  return (to && drops.find((d) => d.port === to)) ?? mainDrop(way);
}

function* triesFor(
  way: Walk,
  drop: Drop | undefined,
  wish: { readonly to: OfPort | undefined; readonly nearMisses: readonly NearMiss[] },
  env: ExplainEnv,
): Generator<Edit> {
  if (drop) yield* candidates(drop, wish, env);
  // What kept it from the other ports, too.
  for (const other of eventsOf(way, 'drop')) {
    if (other !== drop && (wish.to === undefined || other.port === wish.to)) {
      yield* candidates(other, wish, env);
    }
  }
  const first = eventsOf(way, 'lookup').at(0);
  if (!first) return;
  const { bridge, tableId, rule, flow } = first;
  const here: Drop = { reason: '', bridge, tableId, rule, flow, port: undefined };
  yield* exceptions(here, wish, (rule?.priority ?? 0) + 1);
}

function mtuEdit({ port }: Delivery, packet: Packet): Edit {
  const mtu = payloadBytes(packet)!;
  const command = `ovs-vsctl set interface ${port.name} mtu_request=${mtu}`;
  return { command, apply: () => () => {}, mtus: new Map([[port.name, mtu]]) };
}

/** The edits that do change the outcome, each tried and taken back. */
function tried(
  edits: Iterable<Edit>,
  env: ExplainEnv,
  packet: Packet,
  ctNext: readonly number[],
  arrives: (list: readonly Delivery[]) => Delivery[],
): EditFact[] {
  const facts: EditFact[] = [];
  const known = new Set<string>();
  let tries = 0;
  for (const edit of edits) {
    if (facts.length === MAX_EDITS || ++tries > MAX_TRIES) break;
    // One flow of several priorities is one edit.
    const what = edit.command.replace(/priority=\d+,?/, '');
    if (what === '' || known.has(what)) continue;
    known.add(what);
    const then = withEdit(edit, env.nowMs(), () =>
      arrives(deliveries(walk(env.config, packet, ctNext), packet, env, edit.mtus ?? new Map())),
    );
    if (then && then.length > 0) {
      facts.push({
        command: edit.command,
        outcome: `it goes out of ${placesText(then.map(outputFact))}`,
      });
    }
  }
  return facts;
}

/** undefined: the switch would refuse the edit. */
function withEdit<T>(edit: Edit, nowMs: number, body: () => T): T | undefined {
  let undo: () => void;
  try {
    undo = edit.apply(nowMs);
  } catch (error) {
    if (error instanceof HeddleError) return undefined;
    throw error;
  }
  try {
    return body();
  } finally {
    undo();
  }
}

export function placesText(outputs: readonly OutputFact[]): string {
  const text = ({ port, vlans, bridge, mirror }: OutputFact, first: OutputFact) =>
    `${port}${bridge === first.bridge ? '' : ` of ${bridge}`}${vlans.length === 0 ? '' : ` in VLAN ${vlans.join('.')}`}${mirror === undefined ? '' : ` (a copy of mirror ${mirror})`}`;
  return outputs.map((o) => text(o, outputs[0]!)).join(', ');
}

function reasonOf(
  drop: Drop | undefined,
  obstacle: Delivery | undefined,
  packet: Packet,
  to: OfPort | undefined,
  out: readonly Delivery[],
  env: ExplainEnv,
): ReasonFact | undefined {
  if (obstacle) {
    const text = `the packet has ${payloadBytes(packet)} bytes behind its Ethernet header, and the MTU of ${obstacle.port.name} is ${obstacle.exceeds}`;
    return { code: 'MTU exceeded', text, port: obstacle.port.name };
  }
  if (drop) {
    const { reason, bridge, port } = drop;
    return {
      code: reason,
      text: reasonText(drop, env),
      ...(bridge && { bridge: bridge.name }),
      ...(port && { port: port.name }),
    };
  }
  if (!to || out.some((d) => d.port === to)) return undefined;
  const text = elsewhereText(packet, to, out);
  return { code: 'not sent there', text, port: to.name };
}

function elsewhereText({ bridge, flow, ofport }: Packet, to: OfPort, out: readonly Delivery[]) {
  if (to.ofport === ofport && to.bundle.bridge === bridge) {
    return `it came in by ${to.name}, and only the action in_port sends back there`;
  }
  if (out.length === 0) return `nothing sends it to ${to.name}`;
  const text = `it goes elsewhere: to ${placesText(out.map(outputFact))}`;
  const entry = [...bridge.macs.entries()].find(
    ({ mac, port }) => mac === flow.dlDst && out.every((d) => d.port.bundle === port),
  );
  if (!entry) return text;
  const how = entry.isStatic
    ? 'a static entry'
    : `learned, seen ${bridge.macs.ageSeconds(entry)} s ago`;
  return `${text}, where ${formatMac(entry.mac)} is known to be (${how})`;
}

function outputFact({ port, flow, exceeds, carrier, mirror }: Delivery): OutputFact {
  const obstacle =
    exceeds !== undefined
      ? `longer than its MTU of ${exceeds}`
      : carrier
        ? undefined
        : 'no carrier: nobody receives there';
  return {
    bridge: port.bundle.bridge.name,
    port: port.name,
    ofport: port.ofport,
    vlans: tagsOf(flow).map((t) => t.vid),
    ...(mirror !== undefined && { mirror }),
    ...(obstacle !== undefined && { obstacle }),
  };
}

function stepsOf(way: Walk, env: ExplainEnv): StepFact[] {
  const steps: StepFact[] = [];
  for (const { recircId, ctState, events } of way.passes) {
    if (recircId !== 0) {
      const state = ctState === undefined ? {} : { ctState: ctStateText(ctState) };
      steps.push({ type: 'again', recircId, ...state });
    }
    for (const event of events) {
      if (event.type === 'lookup') {
        const { rule, bridge, tableId: table } = event;
        if (rule) steps.push({ type: 'flow', bridge: bridge.name, flow: flowFact(rule, env) });
        else steps.push({ type: 'miss', bridge: bridge.name, table });
      } else if (event.type === 'patch') {
        const { from, to } = event;
        steps.push({ type: 'patch', from: from.name, to: to.name, bridge: to.bundle.bridge.name });
      } else if (event.type === 'controller') {
        steps.push({ type: 'controller', bridge: event.bridge.name });
      } else if (event.type === 'drop') {
        const text = reasonText(event, env);
        const stop = {
          type: 'stop',
          text,
          ...(event.bridge && { bridge: event.bridge.name }),
        } as const;
        // Two that ask about one thing, as NORMAL and the way out of a port do.
        const last = steps.at(-1);
        if (last?.type !== 'stop' || last.text !== text) steps.push(stop);
      }
    }
  }
  return steps;
}

function flowFact(rule: Rule, env: ExplainEnv): FlowFact {
  const { state } = rule;
  return {
    table: rule.tableId,
    priority: rule.priority,
    match: formatMatch(rule.match),
    actions: actionsText(state.actions) || 'drop',
    cookie: `0x${state.cookie.toString(16)}`,
    ageSeconds: Math.max(Math.floor((env.nowMs() - rule.createdMs) / 1000), 0),
    origin: originText(originOf(rule.origin)),
    packets: rule.packets,
  };
}

const VERSIONS = ['', '1.0', '1.1', '1.2', '1.3', '1.4', '1.5'];

function originText(origin: FlowOrigin): string {
  switch (origin.kind) {
    case 'switch':
      return 'the switch itself';
    case 'learn':
      return `a learn action of table ${origin.table}`;
    case 'management':
      return `the management socket (ovs-ofctl, OpenFlow ${VERSIONS[origin.version]})`;
    case 'controller':
      return `controller ${origin.target} (OpenFlow ${VERSIONS[origin.version]})`;
  }
}

/** Where nothing matched, the next best; where something did, what would have come before it. */
function nearMissesOf(way: Walk, isForwarded: boolean): NearMiss[] {
  const out: NearMiss[] = [];
  const asked = new Set<string>();
  for (const { bridge, tableId, rule, flow } of eventsOf(way, 'lookup')) {
    const id = `${bridge.serial}/${tableId}`;
    if (asked.has(id) || out.length >= MAX_NEAR_MISSES) continue;
    asked.add(id);
    out.push(
      ...nearMisses(bridge.tables.at(tableId), flow, {
        rules: MAX_NEAR_MISSES - out.length,
        fields: isForwarded ? 1 : NEAR_MISS_FIELDS,
        above: rule?.priority ?? -1,
      }),
    );
  }
  return out;
}

function nearMissFact({ rule, differences }: NearMiss, way: Walk, env: ExplainEnv): NearMissFact {
  const lookup = eventsOf(way, 'lookup').find((e) => e.tableId === rule.tableId);
  return {
    flow: flowFact(rule, env),
    bridge: lookup?.bridge.name ?? '',
    differences: differences.map(({ field, wants, has }) => ({ field, wants, has })),
  };
}
