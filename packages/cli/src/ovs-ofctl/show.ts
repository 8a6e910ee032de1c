/** Commands that ask a switch what it is: description, ports, tables, queues, groups, meters. */
import {
  atoi,
  OFPG_ALL,
  OFPM13_ALL,
  OFPP_NONE,
  parseGroupId,
  parseMeterMod,
  parsePort,
  type TableFeatures,
} from '@heddle/openflow';
import { HeddleError } from '@heddle/runtime/errors';
import { print } from '@heddle/runtime/stdio';
import { type Context, checkUsable, dump, dumpOnce, open } from './context.ts';
import { Printer } from './printer.ts';
import { askPorts, fetchPorts } from './switch-names.ts';

const OFPQ_ALL = 0xffff_ffff;
const OFPUTIL_P_OF13_UP = 0x1c0;

export async function show(ctx: Context): Promise<number> {
  const vconn = await open(ctx);
  const hasPorts = vconn.version < 4;
  await dump(ctx, vconn, { type: 'features_request' });
  if (!hasPorts) await dump(ctx, vconn, { type: 'port_desc_request' });
  vconn.close();
  const again = await open(ctx);
  await dump(ctx, again, { type: 'get_config_request' });
  again.close();
  return 0;
}

export const dumpDesc = (ctx: Context): Promise<number> => dumpOnce(ctx, { type: 'desc_request' });

export const dumpTables = (ctx: Context): Promise<number> =>
  dumpOnce(ctx, { type: 'table_request' });

/** The parts of the reply are told as one, so that tables that are alike are told in a word. */
export async function dumpTableFeatures(ctx: Context): Promise<number> {
  const vconn = await open(ctx);
  if (vconn.version < 4) {
    throw new HeddleError("dump-table-features needs OpenFlow 1.3 or later ('-O OpenFlow13')");
  }
  const printer = new Printer(ctx.settings, 1);
  const tables: TableFeatures[] = [];
  for await (const part of vconn.multipart({ type: 'table_features_request', tables: [] })) {
    if (part.msg?.type === 'table_features_reply') tables.push(...part.msg.tables);
    else print(printer.message(part));
  }
  const { version } = vconn;
  vconn.close();
  if (tables.length > 0) print(printer.tableFeatures(tables, version));
  return 0;
}

export async function dumpTableDesc(ctx: Context): Promise<number> {
  const vconn = await open(ctx);
  if (vconn.version < 5) {
    throw new HeddleError("dump-table-desc needs OpenFlow 1.4 or later ('-O OpenFlow14')");
  }
  await dump(ctx, vconn, { type: 'table_desc_request' });
  vconn.close();
  return 0;
}

export async function dumpPorts(ctx: Context): Promise<number> {
  const [target = '', port] = ctx.args;
  const vconn = await open(ctx);
  const portNo = port === undefined ? OFPP_NONE : await findPort(ctx, target, port);
  await dump(ctx, vconn, { type: 'port_request', portNo });
  vconn.close();
  return 0;
}

/** Only OpenFlow 1.5 asks for one port. */
export async function dumpPortsDesc(ctx: Context): Promise<number> {
  const [target = '', port] = ctx.args;
  const vconn = await open(ctx);
  const portNo = port === undefined ? OFPP_NONE : await findPort(ctx, target, port);
  await dump(ctx, vconn, { type: 'port_desc_request', portNo });
  vconn.close();
  return 0;
}

/** A number, a reserved name, or a name that the switch knows. */
async function findPort(ctx: Context, target: string, text: string): Promise<number> {
  const port = parsePort(text);
  if (port !== undefined) return port;
  const found = (await fetchPorts(ctx.settings, target)).portOf(text.replace(/^"(.*)"$/, '$1'));
  if (found === undefined) throw new HeddleError(`${target}: unknown port \`${text}'`);
  return found;
}

export async function queueStats(ctx: Context): Promise<number> {
  const [target = '', port, queue] = ctx.args;
  const vconn = await open(ctx);
  const isAll = port === undefined || port === '' || port.toLowerCase() === 'all';
  const portNo = isAll ? OFPP_NONE : await findPort(ctx, target, port);
  await dump(ctx, vconn, { type: 'queue_request', portNo, queueId: queueNumber(queue) });
  vconn.close();
  return 0;
}

function queueNumber(text: string | undefined): number {
  if (text === undefined || text === '' || text.toLowerCase() === 'all') return OFPQ_ALL;
  return atoi(text) >>> 0;
}

/** OpenFlow 1.0 cannot ask for all ports at once. */
export async function queueGetConfig(ctx: Context): Promise<number> {
  const [target = '', port, queue] = ctx.args;
  const vconn = await open(ctx);
  const isAny = port === undefined || /^any$/i.test(port);
  const queueId = queue === undefined || /^(any|all)$/i.test(queue) ? OFPQ_ALL : atoi(queue) >>> 0;
  const portNos: number[] = [];
  if (!isAny) portNos.push(await findPort(ctx, target, port));
  else if (vconn.version > 1) portNos.push(OFPP_NONE);
  else portNos.push(...(await portNumbers(ctx)));
  for (const portNo of portNos.filter((p) => p < 0xff00 || p === OFPP_NONE || !isAny)) {
    await dump(ctx, vconn, { type: 'queue_get_config_request', portNo, queueId });
  }
  vconn.close();
  return 0;
}

async function portNumbers(ctx: Context): Promise<number[]> {
  const vconn = await open(ctx);
  const ports = await askPorts(vconn);
  vconn.close();
  return ports.map(({ portNo }) => portNo);
}

export const dumpGroupFeatures = (ctx: Context): Promise<number> =>
  dumpOnce(ctx, { type: 'group_features_request' });

/** Only OpenFlow 1.5 asks for one group. */
export function dumpGroups(ctx: Context): Promise<number> {
  const [, group] = ctx.args;
  return dumpOnce(ctx, { type: 'group_desc_request', groupId: groupNumber(group) });
}

/** All groups, too, for what is no group, of which the log is told. */
function groupNumber(text: string | undefined): number {
  return text === undefined ? OFPG_ALL : (parseGroupId(text) ?? OFPG_ALL);
}

async function dumpMeter(
  ctx: Context,
  type: 'meter_request' | 'meter_config_request',
): Promise<number> {
  const [, text] = ctx.args;
  const meterId = text === undefined ? OFPM13_ALL : parseMeterMod(text, 'delete').meterId;
  checkUsable(ctx.settings, OFPUTIL_P_OF13_UP);
  return dumpOnce(ctx, { type, meterId });
}

export const dumpMeters = (ctx: Context): Promise<number> => dumpMeter(ctx, 'meter_config_request');
export const meterStats = (ctx: Context): Promise<number> => dumpMeter(ctx, 'meter_request');

export function meterFeatures(ctx: Context): Promise<number> {
  checkUsable(ctx.settings, OFPUTIL_P_OF13_UP);
  return dumpOnce(ctx, { type: 'meter_features_request' });
}

export const dumpIpfixBridge = (ctx: Context): Promise<number> =>
  dumpOnce(ctx, { type: 'ipfix_bridge_request' });
export const dumpIpfixFlow = (ctx: Context): Promise<number> =>
  dumpOnce(ctx, { type: 'ipfix_flow_request' });
