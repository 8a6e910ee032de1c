/** replace-flows and diff-flows: two sets of flows, from files or switches, and what differs. */
import { existsSync } from 'node:fs';
import {
  type FlowMod,
  Match,
  OFP_NO_BUFFER,
  OFPG_ANY,
  OFPP_NONE,
  OFPTT_ALL,
  OFPUTIL_P_ANY,
  type Protocols,
  type VconnClient,
} from '@heddle/openflow';
import { print } from '@heddle/runtime/stdio';
import { bundleLog, bundleSettings, transactBundle } from './bundle.ts';
import { type Context, openForMod, transactNoReply } from './context.ts';
import { readFlowFile } from './flow-lines.ts';
import {
  type FlowEntry,
  type FlowVersion,
  formatEntry,
  isSameVersion,
  versionOfMod,
} from './flow-text.ts';
import { fetchFlows, flowModBodyFor, setDumpFormat } from './flows.ts';
import { Printer } from './printer.ts';
import {
  portsToAccept,
  portsToShow,
  type SwitchPorts,
  tablesToAccept,
  tablesToShow,
} from './switch-names.ts';
import { openTarget } from './target.ts';

type Side = 0 | 1;

/** Flows by table, priority and match. */
class FlowSet {
  readonly #entries = new Map<string, FlowEntry>();

  add(
    side: Side,
    flow: Pick<FlowMod, 'match' | 'priority' | 'tableId'>,
    version: FlowVersion,
  ): void {
    const { match, priority } = flow;
    const tableId = flow.tableId === OFPTT_ALL ? 0 : flow.tableId;
    const key = flowKey(tableId, priority, match);
    let entry = this.#entries.get(key);
    if (entry === undefined) {
      entry = { tableId, priority, match, versions: [undefined, undefined] };
      this.#entries.set(key, entry);
    }
    entry.versions[side] = version;
  }

  /** By table, then by priority as a switch looks them up. */
  sorted(): FlowEntry[] {
    return [...this.#entries.values()].sort(
      (a, b) => a.tableId - b.tableId || b.priority - a.priority,
    );
  }
}

/** Distinct for distinct flows. */
function flowKey(tableId: number, priority: number, { key, mask, tunMetadata }: Match): string {
  const words: (number | string)[] = [tableId, priority];
  for (let i = 0; i < mask.u32.length; i++) {
    if (mask.u32[i] !== 0) words.push(i, mask.u32[i]!, key.u32[i]!);
  }
  for (const { index, value, mask: bits } of tunMetadata) {
    words.push(
      `${index}:${Buffer.from(value).toString('hex')}/${Buffer.from(bits).toString('hex')}`,
    );
  }
  return words.join(' ');
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
  for (const flow of await fetchFlows(vconn, request)) set.add(side, flow, flow);
}

function readFile(
  file: string,
  set: FlowSet,
  side: Side,
  names: Parameters<typeof readFlowFile>[2],
): Protocols {
  const { mods, protocols } = readFlowFile(file, 'add', names, 'open');
  for (const mod of mods) set.add(side, mod, versionOfMod(mod));
  return protocols;
}

function flowMod(
  entry: FlowEntry,
  version: FlowVersion,
  command: 'add' | 'delete_strict',
): FlowMod {
  const isAdd = command === 'add';
  const { cookie, idleTimeout, hardTimeout, importance, flags, actions } = version;
  return {
    command,
    match: entry.match,
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
    flags: isAdd
      ? flags
      : { ...flags, sendFlowRem: false, checkOverlap: false, resetCounts: false },
    importance: isAdd ? importance : 0,
    actions: isAdd ? actions : [],
  };
}

export async function replaceFlows(ctx: Context): Promise<number> {
  const [target = '', file = ''] = ctx.args;
  const settings = ctx.settings.bundle ? bundleSettings(ctx.settings) : ctx.settings;
  const inner = { ...ctx, settings };
  const ports = await portsToAccept(settings, target);
  const tables = await tablesToAccept(settings, target);
  const set = new FlowSet();
  const usable = readFile(file, set, 0, { ports, tables });
  const { vconn, protocol } = await openForMod(inner, usable);
  await readSwitch(inner, vconn, set, 1);
  const changes = listChanges(set.sorted(), settings.readd);
  const bodies = changes.map((mod) => flowModBodyFor(mod, protocol));
  let status = 0;
  if (settings.bundle)
    status = await transactBundle(inner, vconn, bundleLog(bodies, vconn.version));
  else if (!(await transactNoReply(inner, vconn, bodies))) status = 1;
  vconn.close();
  return status;
}

/** Deletions first, lest a full table refuse what is new. */
function listChanges(entries: readonly FlowEntry[], readd: boolean): FlowMod[] {
  const gone: FlowMod[] = [];
  const fresh: FlowMod[] = [];
  for (const entry of entries) {
    const [wanted, present] = entry.versions;
    if (wanted === undefined) gone.push(flowMod(entry, present!, 'delete_strict'));
    else if (readd || !isSameVersion(wanted, present)) fresh.push(flowMod(entry, wanted, 'add'));
  }
  return [...gone, ...fresh];
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
  let tables: Awaited<ReturnType<typeof tablesToShow>>;
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
    tables ??= await tablesToShow(settings, source);
  }
  const printer = new Printer(settings, 1, ports, tables);
  let text = '';
  for (const entry of set.sorted()) {
    const [a, b] = entry.versions;
    if (isSameVersion(a, b)) continue;
    if (a) text += `-${formatEntry(entry, a, printer)}\n`;
    if (b) text += `+${formatEntry(entry, b, printer)}\n`;
  }
  print(text);
  return text === '' ? 0 : 2;
}

async function acceptedFrom(ctx: Context, target: string) {
  const ports = await portsToAccept(ctx.settings, target);
  return { ports, tables: await tablesToAccept(ctx.settings, target) };
}
