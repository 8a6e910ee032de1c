/** Commands on flow tables: dump-flows, add-flow, mod-flows, del-flows and their like. */
import {
  type FlowMod,
  type FlowModCommand,
  type FlowStats,
  type FlowStatsRequest,
  formatProtocols,
  OFPTT_ALL,
  OFPUTIL_P_OF10_NXM,
  OFPUTIL_P_OF10_NXM_TID,
  OFPUTIL_P_OF10_STD,
  OFPUTIL_P_OF10_STD_TID,
  OFPUTIL_P_OF13_UP,
  type OfpBody,
  type Protocols,
  parseFlowMod,
  protocolFormat,
  protocolVersion,
  type VconnClient,
  versionProtocols,
} from '@heddle/openflow';
import { HeddleError } from '@heddle/runtime/errors';
import { print } from '@heddle/runtime/stdio';
import { bundled, sendBundle, sendBundleLog } from './bundle.ts';
import {
  type Context,
  checkUsable,
  dump,
  open,
  openForMod,
  transactLog,
  transactNoReply,
  tryProtocol,
} from './context.ts';
import { EncodedFlows } from './encode-flows.ts';
import { FlowFile, type FlowMods, parseFlowArgument } from './flow-lines.ts';
import { Printer } from './printer.ts';
import { sortFlows } from './sort-flows.ts';
import { portsToAccept, showsNames, tablesToAccept } from './switch-names.ts';
import { allowedProtocols } from './target.ts';

export const addFlow = (ctx: Context): Promise<number> =>
  ctx.args[1] === '-' ? modFile(ctx, undefined) : modOne(ctx, 'add', ctx.args[1]!);

export const addFlows = (ctx: Context): Promise<number> => modFile(ctx, undefined);

export const modFlows = (ctx: Context): Promise<number> => {
  const command = ctx.settings.strict ? 'modify_strict' : 'modify';
  return ctx.args[1] === '-' ? modFile(ctx, command) : modOne(ctx, command, ctx.args[1]!);
};

export const delFlows = (ctx: Context): Promise<number> => {
  const command = ctx.settings.strict ? 'delete_strict' : 'delete';
  return ctx.args[1] === '-' ? modFile(ctx, command) : modOne(ctx, command, ctx.args[1] ?? '');
};

async function modOne(ctx: Context, command: FlowModCommand, text: string): Promise<number> {
  return sendMods(ctx, parseFlowArgument(text, command, await acceptedNames(ctx)));
}

async function modFile(ctx: Context, command: FlowModCommand | undefined): Promise<number> {
  const file = new FlowFile(ctx.args[1]!, command, await acceptedNames(ctx));
  const { bundle } = ctx.settings;
  if (bundle) {
    const allowed = allowedProtocols(ctx.settings) & OFPUTIL_P_OF13_UP;
    const flows = new EncodedFlows(file, allowed, (mod, protocol) =>
      bundled(flowModBody(mod), protocolVersion(protocol)),
    );
    return sendBundleLog(ctx, flows.usable, (version) => flows.messages(versionProtocols(version)));
  }
  const flows = new EncodedFlows(file, allowedProtocols(ctx.settings), flowModBodyFor);
  const { vconn, protocol } = await openForMod(ctx, flows.usable);
  const ok = await transactLog(ctx, vconn, flows.messages(protocol));
  vconn.close();
  return ok ? 0 : 1;
}

/** In the order in which upstream asks for them. */
async function acceptedNames(ctx: Context) {
  const { settings } = ctx;
  const target = ctx.args[0]!;
  const tables = await tablesToAccept(settings, target);
  return { tables, ports: await portsToAccept(settings, target) };
}

async function sendMods(ctx: Context, { mods, protocols }: FlowMods): Promise<number> {
  if (ctx.settings.bundle) return sendBundle(ctx, protocols, mods.map(flowModBody));
  const { vconn, protocol } = await openForMod(ctx, protocols);
  const bodies = mods.map((mod) => flowModBodyFor(mod, protocol));
  const ok = await transactNoReply(ctx, vconn, bodies);
  vconn.close();
  return ok ? 0 : 1;
}

/** For OpenFlow 1.3 and later. */
export function flowModBody(mod: FlowMod): OfpBody {
  return { ...mod, type: 'flow_mod', format: 'OXM', hasTableId: true, tableId: tableOf(mod) };
}

export function flowModBodyFor(mod: FlowMod, protocol: Protocols): OfpBody {
  if (protocolVersion(protocol) > 1) {
    return { ...mod, type: 'flow_mod', ...protocolFormat(protocol), tableId: tableOf(mod) };
  }
  return { ...mod, type: 'flow_mod', ...protocolFormat(protocol) };
}

/** Since OpenFlow 1.1 only deletions may name all tables. */
function tableOf({ tableId, command }: FlowMod): number {
  return tableId === OFPTT_ALL && !command.startsWith('delete') ? 0 : tableId;
}

/** What a request for statistics selects: a flow in text without actions. */
async function statsRequest(ctx: Context): Promise<FlowStatsRequest & { protocols: Protocols }> {
  const text = ctx.args[1] ?? '';
  const target = ctx.args[0]!;
  const ports = text === '' ? undefined : await portsToAccept(ctx.settings, target);
  const tables = text === '' ? undefined : await tablesToAccept(ctx.settings, target);
  const { flowMod, protocols: ofMod } = parseFlowMod(text, 'delete', { ports, tables });
  // Requests have always had a table, which changes have by an extension.
  const protocols =
    ofMod |
    ((ofMod & OFPUTIL_P_OF10_NXM_TID) === 0 ? 0 : OFPUTIL_P_OF10_NXM) |
    ((ofMod & OFPUTIL_P_OF10_STD_TID) === 0 ? 0 : OFPUTIL_P_OF10_STD);
  const { match, tableId, outPort, outGroup, cookie, cookieMask } = flowMod;
  return { match, tableId, outPort, outGroup, cookie, cookieMask, protocols };
}

/** OpenFlow 1.0 says more with NXM; the others have one format. */
export async function setDumpFormat(
  ctx: Context,
  vconn: VconnClient,
  usable: Protocols,
): Promise<{ nxm: boolean }> {
  checkUsable(ctx.settings, usable);
  const allowed = allowedProtocols(ctx.settings) & usable;
  if (vconn.version > 1) return { nxm: false };
  if ((allowed & OFPUTIL_P_OF10_NXM) !== 0 && (await tryProtocol(vconn, OFPUTIL_P_OF10_NXM))) {
    return { nxm: true };
  }
  if ((allowed & OFPUTIL_P_OF10_STD) !== 0 && (await tryProtocol(vconn, OFPUTIL_P_OF10_STD))) {
    return { nxm: false };
  }
  throw new HeddleError(
    `switch does not support any of the usable flow formats (${formatProtocols(usable)})`,
  );
}

export async function dumpAggregate(ctx: Context): Promise<number> {
  const { protocols, ...request } = await statsRequest(ctx);
  const vconn = await open(ctx);
  const { nxm } = await setDumpFormat(ctx, vconn, protocols);
  await dump(ctx, vconn, { ...request, type: 'aggregate_request', nxm });
  vconn.close();
  return 0;
}

export async function dumpFlows(ctx: Context): Promise<number> {
  const { settings } = ctx;
  const { protocols, ...request } = await statsRequest(ctx);
  const vconn = await open(ctx);
  const { nxm } = await setDumpFormat(ctx, vconn, protocols);
  const body = { ...request, type: 'flow_request', nxm } as const;
  if (settings.sort.length === 0 && settings.stats && !showsNames(settings)) {
    await dump(ctx, vconn, body);
  } else {
    const all = await fetchFlows(vconn, body);
    const flows = settings.sort.length > 0 ? sortFlows(all, settings.sort) : all;
    const printer = await Printer.of(settings, ctx.args[0]!);
    for (let at = 0; at < flows.length; at += CHUNK) {
      const lines = flows.slice(at, at + CHUNK).map((flow) => printer.flowStats(flow));
      print(lines.join(''));
    }
  }
  vconn.close();
  return 0;
}

const CHUNK = 1000;

async function fetchFlows(vconn: VconnClient, body: OfpBody): Promise<FlowStats[]> {
  const all: FlowStats[] = [];
  for await (const flows of flowReplies(vconn, body)) for (const flow of flows) all.push(flow);
  return all;
}

/** The flows of each reply. Nicira's ages are not part of what is read here, as upstream. */
export async function* flowReplies(
  vconn: VconnClient,
  body: OfpBody,
): AsyncIterableIterator<readonly FlowStats[]> {
  for await (const { msg } of vconn.multipart(body)) {
    if (msg?.type === 'error') throw new HeddleError(`${vconn.name}: flow dump failed`);
    if (msg?.type !== 'flow_reply') continue;
    if (msg.nxm !== true) yield msg.flows;
    else yield msg.flows.map((flow) => ({ ...flow, idleAge: -1, hardAge: -1 }));
  }
}
