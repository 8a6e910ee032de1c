/** Commands that change ports, tables, fragment handling and conntrack. */
import {
  OFPP_LOCAL,
  OFPTT_ALL,
  type PhyPort,
  parseInteger,
  parseTable,
  type TableFeatures,
  type TableMod,
  type VconnClient,
} from '@heddle/openflow';
import { HeddleError } from '@heddle/runtime/errors';
import { print } from '@heddle/runtime/stdio';
import { type Context, complain, open, transactNoReply } from './context.ts';
import { fetchPorts, tablesToAccept } from './switch-names.ts';
import { allowedVersions, nextXid, openTarget, versionsText } from './target.ts';

/** OFPPC_* bit and whether the word sets it. */
const PORT_WORDS: Readonly<Record<string, readonly [bit: number, on: boolean]>> = {
  up: [1 << 0, false],
  down: [1 << 0, true],
  stp: [1 << 1, false],
  receive: [1 << 2, false],
  'receive-stp': [1 << 3, false],
  flood: [1 << 4, false],
  forward: [1 << 5, false],
  'packet-in': [1 << 6, false],
};

export async function modPort(ctx: Context): Promise<number> {
  const [target = '', port = '', action = ''] = ctx.args;
  const found = findPort((await fetchPorts(ctx.settings, target)).ports, port);
  if (found === undefined) throw new HeddleError(`${target}: couldn't find port \`${port}'`);
  const { portNo, hwAddr } = found;
  const negated = /^no-/i.test(action);
  const word = PORT_WORDS[(negated ? action.slice(3) : action).toLowerCase()];
  if (word === undefined) throw new HeddleError(`unknown mod-port command '${action}'`);
  const on = negated ? !word[1] : word[1];
  const vconn = await open(ctx);
  const ok = await transactNoReply(ctx, vconn, [
    {
      type: 'port_mod',
      portNo,
      hwAddr,
      config: on ? word[0] : 0,
      mask: word[0],
      advertise: 0,
    },
  ]);
  vconn.close();
  return ok ? 0 : 1;
}

/** Decimal, of 16 bits or a reserved one of 32, or `LOCAL`. */
function portNumber(text: string): number | undefined {
  if (text.toUpperCase() === 'LOCAL') return OFPP_LOCAL;
  const digits = /^\s*\+?(\d+)$/.exec(text)?.[1];
  const number = digits === undefined ? undefined : Number(digits);
  if (number === undefined || number <= 0xffff) return number;
  return number >= 0xffff_ff00 && number <= 0xffff_ffff ? number & 0xffff : undefined;
}

function findPort(ports: readonly PhyPort[], text: string): PhyPort | undefined {
  const number = portNumber(text);
  return ports.find(({ portNo, name }) => name === text || portNo === number);
}

const FRAGS = ['normal', 'drop', 'reassemble', 'nx-match'];

async function getConfig(vconn: VconnClient): Promise<{ flags: number; missSendLen: number }> {
  const { msg } = await vconn.transact({ type: 'get_config_request' });
  if (msg?.type !== 'get_config_reply')
    throw new HeddleError(`${vconn.name}: bad reply to config request`);
  return msg;
}

export async function getFrags(ctx: Context): Promise<number> {
  const vconn = await open(ctx);
  const { flags } = await getConfig(vconn);
  vconn.close();
  return print(`${FRAGS[flags & 3]}\n`);
}

export async function setFrags(ctx: Context): Promise<number> {
  const [target = '', text = ''] = ctx.args;
  const mode = FRAGS.indexOf(text.toLowerCase());
  if (mode < 0) throw new HeddleError(`${text}: unknown fragment handling mode`);
  const vconn = await open(ctx);
  const { flags, missSendLen } = await getConfig(vconn);
  if ((flags & 3) !== mode) {
    vconn.send({ type: 'set_config', flags: (flags & ~3) | mode, missSendLen });
    const [error] = await vconn.barrier();
    if (error) {
      complain(ctx, error);
      return 1;
    }
    if (((await getConfig(vconn)).flags & 3) !== mode) {
      throw new HeddleError(
        `${target}: setting fragment handling mode failed (this switch probably doesn't support mode "${text}")`,
      );
    }
  }
  vconn.close();
  return 0;
}

interface TableSetting {
  readonly mod: Partial<TableMod>;
  /** Bit v: version v can say it. */
  readonly versions: number;
}

const OF11_12 = 0b0000_1100;
const OF13_UP = 0b0111_0000;
const OF14_UP = 0b0110_0000;

function tableSetting(text: string): TableSetting {
  switch (text) {
    case 'controller':
    case 'continue':
    case 'drop':
      return { mod: { miss: text }, versions: OF11_12 };
    case 'evict':
    case 'noevict':
      return { mod: { eviction: text === 'evict' }, versions: OF14_UP };
    case 'novacancy':
      return { mod: { isVacancyOn: false }, versions: OF14_UP };
    default:
      if (text.startsWith('name:')) return { mod: {}, versions: OF13_UP };
      if (/^vacancy(:|$)/.test(text)) return { mod: vacancy(text), versions: OF14_UP };
      throw new HeddleError(`invalid table_mod setting ${text}`);
  }
}

function vacancy(text: string): Partial<TableMod> {
  const [downText, upText] = text.slice('vacancy:'.length).split(',').filter(Boolean);
  if (downText === undefined) throw new HeddleError('Vacancy down value missing');
  const down = percentage('down', downText);
  if (upText === undefined) throw new HeddleError('Vacancy up value missing');
  const up = percentage('up', upText);
  if (up < down) {
    const why = 'vacancy up should be greater than vacancy down (OFPBPC_BAD_VALUE)';
    throw new HeddleError(`Invalid vacancy range, ${why}`);
  }
  return { isVacancyOn: true, vacancy: { up, down } };
}

function percentage(which: string, text: string): number {
  const value = text.includes('-') ? undefined : parseInteger(text);
  if (value === undefined || value > 100n) {
    throw new HeddleError(`Invalid vacancy ${which} value "${text}"`);
  }
  return Number(value);
}

export async function modTable(ctx: Context): Promise<number> {
  const { settings } = ctx;
  const [target = '', table = '', text = ''] = ctx.args;
  const tables = await tablesToAccept(settings, target);
  const tableId = tables?.tableOf(table) ?? tableNumber(table);
  const { mod, versions } = tableSetting(text);
  if ((allowedVersions(settings) & versions) === 0) {
    const needs = versionsText(versions);
    const list = needs.includes(',')
      ? `one of the OpenFlow versions ${needs}`
      : `the OpenFlow version ${needs}`;
    throw new HeddleError(`table_mod '${text}' requires ${list}`);
  }
  const vconn = await openTarget(
    { ...settings, versions: allowedVersions(settings) & versions },
    target,
  );
  if (text.startsWith('name:')) return renameTable(ctx, vconn, tableId, text.slice(5));
  const known = (versions & OF14_UP) === 0 ? [] : await currentTables(vconn, tableId);
  const mods = (known.length > 0 ? known : [{ tableId }]).map(
    (table) => ({ type: 'table_mod', ...table, ...mod }) as const,
  );
  const ok = await transactNoReply(ctx, vconn, mods);
  vconn.close();
  return ok ? 0 : 1;
}

function tableNumber(text: string): number {
  if (text.toLowerCase() === 'all') return OFPTT_ALL;
  const number = parseTable(text);
  if (number === undefined) throw new HeddleError(`unknown table "${text}"`);
  return number;
}

/** What the messages say besides the change stays as it is, in each of all tables, too. */
async function currentTables(vconn: VconnClient, tableId: number): Promise<TableMod[]> {
  const found: TableMod[] = [];
  for await (const { msg } of vconn.multipart({ type: 'table_desc_request' })) {
    if (msg?.type !== 'table_desc_reply') continue;
    for (const table of msg.tables) {
      if (tableId === OFPTT_ALL || table.tableId === tableId) found.push(withoutState(table));
    }
  }
  return found;
}

/** What a change may say: how full the table is and what eviction goes by, it may not. */
function withoutState({ vacancy, evictionFlags: _, ...table }: TableMod): TableMod {
  return vacancy ? { ...table, vacancy: { up: vacancy.up, down: vacancy.down } } : table;
}

const TABLES_PER_PART = 12;
/** OFPTFC15_MODIFY of a table that goes on with what it can match and do. */
const NO_ACTIONS = { actions: [], setFields: [] };
const NOTHING = { next: [], instructions: [], write: NO_ACTIONS, apply: NO_ACTIONS };
const NAME_ALONE = {
  command: 1,
  nonmiss: NOTHING,
  onMiss: NOTHING,
  match: [],
  wildcard: [],
  mask: [],
};

/** Before OpenFlow 1.5 the features of all tables are said, or those that are not would go. */
async function renameTable(
  ctx: Context,
  vconn: VconnClient,
  tableId: number,
  name: string,
): Promise<number> {
  if (tableId === OFPTT_ALL) throw new HeddleError(`invalid table_mod setting name:${name}`);
  const all: TableFeatures[] = [];
  for await (const { msg } of vconn.multipart({ type: 'table_features_request', tables: [] })) {
    if (msg?.type === 'table_features_reply') all.push(...msg.tables);
  }
  const renamed = all.map((table) => (table.tableId === tableId ? { ...table, name } : table));
  const one = renamed.filter((table) => table.tableId === tableId);
  const said = vconn.version >= 6 ? one.map((table) => ({ ...table, ...NAME_ALONE })) : renamed;
  const xid = nextXid();
  for (let i = 0; i < said.length; i += TABLES_PER_PART) {
    const tables = said.slice(i, i + TABLES_PER_PART);
    const more = i + TABLES_PER_PART < said.length;
    vconn.send({ type: 'table_features_request', tables, more }, xid);
  }
  const [error] = await vconn.barrier();
  if (error) complain(ctx, error);
  vconn.close();
  return error ? 1 : 0;
}

export async function ctFlushZone(ctx: Context): Promise<number> {
  const text = ctx.args[1]!;
  const zone = /^(0x[0-9a-f]+|\d+)$/i.test(text) ? Number(text) : -1;
  if (zone < 0 || zone > 0xffff) throw new HeddleError(`invalid zone_id "${text}"`);
  const vconn = await open(ctx);
  const ok = await transactNoReply(ctx, vconn, [{ type: 'ct_flush_zone', zone }]);
  vconn.close();
  return ok ? 0 : 1;
}
