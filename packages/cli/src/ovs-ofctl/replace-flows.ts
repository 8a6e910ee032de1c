/** replace-flows and diff-flows: two sets of flows, from files or switches, and what differs. */
import { existsSync } from 'node:fs';
import {
  type FlowMod,
  type FlowTextOptions,
  Match,
  OFP_NO_BUFFER,
  OFPG_ANY,
  OFPP_NONE,
  OFPTT_ALL,
  OFPUTIL_P_ANY,
  type OfpBody,
  type Protocols,
  type VconnClient,
} from '@heddle/openflow';
import { print } from '@heddle/runtime/stdio';
import { bundleLog, transactBundle } from './bundle.ts';
import { type Context, openForMod, transactNoReply } from './context.ts';
import { FlowFile } from './flow-lines.ts';
import {
  type FlowEntry,
  type FlowVersion,
  formatEntry,
  isSameVersion,
  versionOf,
} from './flow-text.ts';
import { flowModBodyFor, flowReplies, setDumpFormat } from './flows.ts';
import { PackedMatches } from './packed-match.ts';
import { Printer } from './printer.ts';
import { portsToAccept, portsToShow, type SwitchPorts, tablesToAccept } from './switch-names.ts';
import { openTarget } from './target.ts';

type Side = 0 | 1;

/** Flows by table, priority and match. */
class FlowSet {
  readonly #entries = new Map<string, FlowEntry>();
  readonly #matches = new PackedMatches();

  add(
    side: Side,
    flow: Pick<FlowMod, 'match' | 'priority' | 'tableId'>,
    version: FlowVersion,
  ): void {
    const { priority } = flow;
    const tableId = flow.tableId === OFPTT_ALL ? 0 : flow.tableId;
    const match = this.#matches.pack(flow.match);
    const key = String.fromCharCode(tableId, priority) + match;
    let entry = this.#entries.get(key);
    if (entry === undefined) {
      entry = { tableId, priority, match, versions: [undefined, undefined] };
      this.#entries.set(key, entry);
    }
    entry.versions[side] = version;
  }

  matchOf({ match }: FlowEntry): Match {
    return this.#matches.unpack(match);
  }

  /** By table, then by priority as a switch looks them up. */
  sorted(): FlowEntry[] {
    return [...this.#entries.values()].sort(
      (a, b) => a.tableId - b.tableId || b.priority - a.priority,
    );
  }
}

async function readSwitch(
  ctx: Context,
  vconn: VconnClient,
  set: FlowSet,
  side: Side,
): Promise<void> {
  const { nxm } = await setDumpFormat(ctx, vconn, OFPUTIL_P_ANY);
  const request = {
    type: 'flow_request',
    nxm,
    match: Match.catchAll(),
    tableId: OFPTT_ALL,
    outPort: OFPP_NONE,
    outGroup: OFPG_ANY,
    cookie: 0n,
    cookieMask: 0n,
  } as const;
  for await (const flows of flowReplies(vconn, request)) {
    for (const flow of flows) set.add(side, flow, versionOf(flow));
  }
}

function readFile(file: string, set: FlowSet, side: Side, names: FlowTextOptions): Protocols {
  let usable = OFPUTIL_P_ANY;
  for (const { flowMod, protocols } of new FlowFile(file, 'add', names, 'open').flows({
    into: new Match(),
  })) {
    set.add(side, flowMod, versionOf({ ...flowMod, cookie: flowMod.newCookie ?? 0n }));
    usable &= protocols;
  }
  return usable;
}

function flowMod(
  set: FlowSet,
  entry: FlowEntry,
  version: FlowVersion,
  command: 'add' | 'delete_strict',
): FlowMod {
  const isAdd = command === 'add';
  const { cookie, idleTimeout, hardTimeout, importance, flags, actions } = version;
  return {
    command,
    match: set.matchOf(entry),
    priority: entry.priority,
    cookie: 0n,
    cookieMask: 0n,
    newCookie: isAdd ? cookie : undefined,
    tableId: entry.tableId,
    idleTimeout: isAdd ? idleTimeout : 0,
    hardTimeout: isAdd ? hardTimeout : 0,
    bufferId: OFP_NO_BUFFER,
    outPort: OFPP_NONE,
    outGroup: OFPG_ANY,
    // What an addition asks for, and what it did: the set as a whole may well hold flows that overlap.
    flags: {
      ...flags,
      sendFlowRem: isAdd && flags.sendFlowRem,
      checkOverlap: false,
      resetCounts: false,
    },
    importance: isAdd ? importance : 0,
    actions: isAdd ? actions : [],
  };
}

export async function replaceFlows(ctx: Context): Promise<number> {
  const [target = '', file = ''] = ctx.args;
  const { settings } = ctx;
  const ports = await portsToAccept(settings, target);
  const tables = await tablesToAccept(settings, target);
  const set = new FlowSet();
  const usable = readFile(file, set, 0, { ports, tables });
  const { vconn, protocol } = await openForMod(ctx, usable);
  await readSwitch(ctx, vconn, set, 1);
  const bodies = changesOf(set, settings.readd, protocol);
  let status = 0;
  if (settings.bundle) status = await transactBundle(ctx, vconn, bundleLog(bodies, vconn.version));
  else if (!(await transactNoReply(ctx, vconn, bodies))) status = 1;
  vconn.close();
  return status;
}

/** Deletions first, lest a full table refuse what is new. */
function* changesOf(set: FlowSet, readd: boolean, protocol: Protocols): IterableIterator<OfpBody> {
  const entries = set.sorted();
  for (const entry of entries) {
    const [wanted, present] = entry.versions;
    if (wanted !== undefined) continue;
    yield flowModBodyFor(flowMod(set, entry, present!, 'delete_strict'), protocol);
  }
  for (const entry of entries) {
    const [wanted, present] = entry.versions;
    if (wanted === undefined || (!readd && isSameVersion(wanted, present))) continue;
    yield flowModBodyFor(flowMod(set, entry, wanted, 'add'), protocol);
  }
}

/** A name with a colon is a switch, one that begins like a path a file, others what they are. */
function isFile(source: string): boolean {
  if (/^[/.]/.test(source)) return true;
  return !source.includes(':') && existsSync(source);
}

/** Exit status 2: there are differences. */
export async function diffFlows(ctx: Context): Promise<number> {
  const sources = [ctx.args[0]!, ctx.args[1]!] as const;
  const { settings } = ctx;
  const set = new FlowSet();
  const first = sources.find((source) => !isFile(source));
  let ports: SwitchPorts | undefined;
  for (const side of [0, 1] as const) {
    const source = sources[side];
    if (isFile(source)) {
      const names = first === undefined ? {} : await acceptedFrom(ctx, first);
      readFile(source, set, side, names);
      continue;
    }
    const vconn = await openTarget(settings, source);
    await readSwitch(ctx, vconn, set, side);
    vconn.close();
    ports ??= await portsToShow(settings, source);
  }
  const printer = new Printer(settings, 1, ports);
  let text = '';
  for (const entry of set.sorted()) {
    const [a, b] = entry.versions;
    if (isSameVersion(a, b)) continue;
    if (a) text += `-${formatEntry(entry, set.matchOf(entry), a, printer)}\n`;
    if (b) text += `+${formatEntry(entry, set.matchOf(entry), b, printer)}\n`;
  }
  print(text);
  return text === '' ? 0 : 2;
}

async function acceptedFrom(ctx: Context, target: string) {
  const ports = await portsToAccept(ctx.settings, target);
  return { ports, tables: await tablesToAccept(ctx.settings, target) };
}
