/** Commands on groups and meters, and bundles of flows, groups and packets. */
import {
  type GroupCommand,
  type GroupMod,
  type MeterMod,
  OFPG_ALL,
  OFPM13_ALL,
  OFPUTIL_P_ANY,
  OFPUTIL_P_OF10_ANY,
  OFPUTIL_P_OF13_UP,
  OFPUTIL_P_OF15_UP,
  type OfpBody,
  type Protocols,
  parseFlowModLine,
  parseGroupMod,
  parseGroupModLine,
  parseMeterMod,
  parsePacketOut,
  versionProtocols,
} from '@heddle/openflow';
import { HeddleError } from '@heddle/runtime/errors';
import { sendBundle } from './bundle.ts';
import { type Context, checkUsable, dump, open, openForMod, transactNoReply } from './context.ts';
import { atLine, readLines } from './flow-lines.ts';
import { flowModBody as flowBody } from './flows.ts';
import { portsToAccept, tablesToAccept } from './switch-names.ts';

export const addGroup = (ctx: Context): Promise<number> => modGroups(ctx, 'add');
export const modGroup = (ctx: Context): Promise<number> =>
  modGroups(ctx, ctx.settings.mayCreate ? 'add_or_mod' : 'modify');
export const delGroups = (ctx: Context): Promise<number> => modGroups(ctx, 'delete');
export const insertBuckets = (ctx: Context): Promise<number> => modGroups(ctx, 'insert_bucket');
export const removeBuckets = (ctx: Context): Promise<number> => modGroups(ctx, 'remove_bucket');

export async function addGroups(ctx: Context): Promise<number> {
  const { groups, protocols } = await readGroups(ctx, ctx.args[1] ?? '-', undefined);
  return sendGroups(ctx, groups, protocols);
}

interface Groups {
  readonly groups: GroupMod[];
  readonly protocols: Protocols;
}

/** In the order in which upstream asks for names. */
async function names(ctx: Context) {
  const target = ctx.args[0]!;
  const { settings } = ctx;
  const tables = await tablesToAccept(settings, target);
  return { tables, ports: await portsToAccept(settings, target) };
}

/** Each line may begin with its command when `command` is undefined. */
async function readGroups(
  ctx: Context,
  file: string,
  command: GroupCommand | undefined,
): Promise<Groups> {
  const options = await names(ctx);
  const groups: GroupMod[] = [];
  let protocols = OFPUTIL_P_ANY;
  for (const [number, line] of readLines(file)) {
    const parsed = atLine(file, number, () =>
      command === undefined
        ? parseGroupModLine(line, 'add', options)
        : parseGroupMod(line, command, options),
    );
    groups.push(parsed.groupMod);
    protocols &= parsed.protocols;
  }
  return { groups, protocols };
}

async function modGroups(ctx: Context, command: GroupCommand): Promise<number> {
  const [, text = ''] = ctx.args;
  if (text === '-') {
    // As add-groups, add-group takes other commands from a file.
    const ofLines = command === 'add' ? undefined : command;
    const { groups, protocols } = await readGroups(ctx, '-', ofLines);
    return sendGroups(ctx, groups, protocols);
  }
  const { groupMod, protocols } = parseGroupMod(text, command, await names(ctx));
  return sendGroups(ctx, [groupMod], protocols);
}

async function sendGroups(
  ctx: Context,
  groups: readonly GroupMod[],
  protocols: Protocols,
): Promise<number> {
  const bodies = groups.map((mod): OfpBody => ({ ...mod, type: 'group_mod' }));
  const inserts = groups.some(({ command }) => command === 'insert_bucket');
  if (ctx.settings.bundle) {
    return sendBundle(ctx, inserts ? protocols & INSERTING : protocols, bodies);
  }
  checkUsable(ctx.settings, protocols);
  const vconn = await open(ctx);
  if (inserts && (versionProtocols(vconn.version) & INSERTING) === 0) {
    vconn.close();
    throw new HeddleError("insert-bucket needs OpenFlow 1.5 or later ('-O OpenFlow15')");
  }
  const ok = await transactNoReply(ctx, vconn, bodies);
  vconn.close();
  return ok ? 0 : 1;
}

const INSERTING = OFPUTIL_P_OF10_ANY | OFPUTIL_P_OF15_UP;

export async function dumpGroupStats(ctx: Context): Promise<number> {
  const [, text] = ctx.args;
  const options = await names(ctx);
  const groupId =
    text === undefined ? OFPG_ALL : parseGroupMod(text, 'delete', options).groupMod.groupId;
  const vconn = await open(ctx);
  await dump(ctx, vconn, { type: 'group_request', groupId });
  vconn.close();
  return 0;
}

export const addMeter = (ctx: Context): Promise<number> => modMeters(ctx, 'add');
export const modMeter = (ctx: Context): Promise<number> => modMeters(ctx, 'modify');
export const delMeters = (ctx: Context): Promise<number> => modMeters(ctx, 'delete');

async function modMeters(ctx: Context, command: MeterMod['command']): Promise<number> {
  const [, text] = ctx.args;
  const meter: MeterMod =
    text === undefined
      ? { command, meterId: OFPM13_ALL, flags: 0, bands: [] }
      : parseMeterMod(text, command);
  const { vconn } = await openForMod(ctx, OFPUTIL_P_OF13_UP);
  const ok = await transactNoReply(ctx, vconn, [{ ...meter, type: 'meter_mod' }]);
  vconn.close();
  return ok ? 0 : 1;
}

type Options = Awaited<ReturnType<typeof names>>;

/** A line of a bundle's file: `flow`, `group` or `packet-out`, then what those take. */
function bundleLine(line: string, options: Options): { body: OfpBody; protocols: Protocols } {
  const m = /^(flow|group|packet-out)[\s,]+(.*)$/s.exec(line);
  if (!m) throw new HeddleError(`Unsupported bundle message type: ${line.split(/[\s,]/)[0]}`);
  const text = m[2]!;
  switch (m[1]) {
    case 'flow': {
      const { flowMod, protocols } = parseFlowModLine(text, options);
      return { body: flowBody(flowMod), protocols };
    }
    case 'group': {
      const { groupMod, protocols } = parseGroupModLine(text, 'add', options);
      return { body: { ...groupMod, type: 'group_mod' }, protocols };
    }
    default: {
      const { packetOut, protocols } = parsePacketOut(text, options);
      return { body: { ...packetOut, type: 'packet_out' }, protocols };
    }
  }
}

export async function bundle(ctx: Context): Promise<number> {
  const [, file = ''] = ctx.args;
  const options = await names(ctx);
  const bodies: OfpBody[] = [];
  let usable = OFPUTIL_P_ANY;
  for (const [number, line] of readLines(file)) {
    const { body, protocols } = atLine(file, number, () => bundleLine(line, options));
    bodies.push(body);
    usable &= protocols;
  }
  return sendBundle(ctx, usable, bodies);
}
