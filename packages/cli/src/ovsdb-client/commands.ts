/** The commands: how they are called, what they need, what --help says. */
import type { Context } from './context.ts';

export interface Command {
  readonly name: string;
  /** Arguments after SERVER and DATABASE. */
  readonly min: number;
  readonly max: number;
  /** In --help, after the name. */
  readonly usage: string;
  readonly help: string;
  /** What is given to `run` is the database, too. */
  readonly run:
    | { readonly needs: 'server'; load(): Promise<ServerCommand> }
    | { readonly needs: 'database'; load(): Promise<DatabaseCommand> }
    | { readonly needs: 'nothing' };
}

type ServerCommand = (context: Context, args: readonly string[]) => Promise<void>;
type DatabaseCommand = (
  context: Context,
  database: string,
  args: readonly string[],
) => Promise<void>;

const schema = () => import('./schema-commands.ts');
const data = () => import('./data-commands.ts');
const monitors = () => import('./monitor.ts');
const backups = () => import('./backup.ts');
const locks = () => import('./lock.ts');

function server(load: () => Promise<ServerCommand>): Command['run'] {
  return { needs: 'server', load };
}

function database(load: () => Promise<DatabaseCommand>): Command['run'] {
  return { needs: 'database', load };
}

const COLUMNS_HELP = `COLUMNs may include !initial, !insert, !delete, !modify
to avoid seeing the specified kinds of changes.`;

export const COMMANDS: readonly Command[] = [
  {
    name: 'list-dbs',
    min: 0,
    max: 0,
    usage: '[SERVER]',
    help: 'list databases available on SERVER',
    run: server(async () => (await schema()).listDbs),
  },
  {
    name: 'get-schema',
    min: 0,
    max: 0,
    usage: '[SERVER] [DATABASE]',
    help: 'retrieve schema for DATABASE from SERVER',
    run: database(async () => (await schema()).getSchema),
  },
  {
    name: 'get-schema-version',
    min: 0,
    max: 0,
    usage: '[SERVER] [DATABASE]',
    help: `retrieve schema for DATABASE from SERVER and report only its
version number on stdout`,
    run: database(async () => (await schema()).getSchemaVersion),
  },
  {
    name: 'get-schema-cksum',
    min: 0,
    max: 0,
    usage: '[SERVER] [DATABASE]',
    help: `retrieve schema for DATABASE from SERVER and report only its
checksum on stdout`,
    run: database(async () => (await schema()).getSchemaCksum),
  },
  {
    name: 'list-tables',
    min: 0,
    max: 0,
    usage: '[SERVER] [DATABASE]',
    help: 'list tables for DATABASE on SERVER',
    run: database(async () => (await schema()).listTables),
  },
  {
    name: 'list-columns',
    min: 0,
    max: 1,
    usage: '[SERVER] [DATABASE] [TABLE]',
    help: 'list columns in TABLE (or all tables) in DATABASE on SERVER',
    run: database(async () => (await schema()).listColumns),
  },
  {
    name: 'transact',
    min: 1,
    max: 1,
    usage: '[SERVER] TRANSACTION',
    help: `run TRANSACTION (params for "transact" request) on SERVER
and print the results as JSON on stdout`,
    run: server(async () => (await data()).transact),
  },
  {
    name: 'query',
    min: 1,
    max: 1,
    usage: '[SERVER] TRANSACTION',
    help: `run TRANSACTION (params for "transact" request) on SERVER,
as read-only, and print the results as JSON on stdout`,
    run: server(async () => (await data()).query),
  },
  {
    name: 'monitor',
    min: 1,
    max: Number.POSITIVE_INFINITY,
    usage: '[SERVER] [DATABASE] TABLE [COLUMN,...]...',
    help: `monitor contents of COLUMNs in TABLE in DATABASE on SERVER.
${COLUMNS_HELP}
TABLE may be ALL, for all columns in all tables.`,
    run: database(async () => (await monitors()).monitor),
  },
  {
    name: 'monitor-cond',
    min: 2,
    max: Number.POSITIVE_INFINITY,
    usage: '[SERVER] [DATABASE] CONDITION TABLE [COLUMN,...]...',
    help: `monitor contents that match CONDITION of COLUMNs in TABLE in
DATABASE on SERVER.
${COLUMNS_HELP}`,
    run: database(async () => (await monitors()).monitorCond),
  },
  {
    name: 'monitor-cond-since',
    min: 2,
    max: Number.POSITIVE_INFINITY,
    usage: '[SERVER] [DATABASE] [LASTID] CONDITION TABLE [COLUMN,...]...',
    help: `monitor contents that match CONDITION of COLUMNs in TABLE in
DATABASE on SERVER, since change after LASTID.
LASTID specifies transaction ID after which the monitoring
starts, which works only for cluster mode. If ignored, it
defaults to an all-zero uuid.
Other arguments are the same as in monitor-cond.`,
    run: database(async () => (await monitors()).monitorCondSince),
  },
  {
    name: 'convert',
    min: 1,
    max: 1,
    usage: '[SERVER] SCHEMA',
    help: 'convert database on SERVER named in SCHEMA to SCHEMA.',
    run: server(async () => (await schema()).convert),
  },
  {
    name: 'needs-conversion',
    min: 1,
    max: 1,
    usage: '[SERVER] SCHEMA',
    help: "tests whether SCHEMA's db on SERVER needs conversion.",
    run: server(async () => (await schema()).needsConversion),
  },
  {
    name: 'wait',
    min: 2,
    max: 2,
    usage: '[SERVER] DATABASE STATE',
    help: `wait until DATABASE reaches STATE ("added" or "connected" or "removed")
in DATABASE on SERVER.`,
    run: { needs: 'nothing' },
  },
  {
    name: 'dump',
    min: 0,
    max: Number.POSITIVE_INFINITY,
    usage: '[SERVER] [DATABASE] [TABLE [COLUMN...]]',
    help: 'dump contents of DATABASE on SERVER to stdout',
    run: database(async () => (await data()).dump),
  },
  {
    name: 'backup',
    min: 0,
    max: 0,
    usage: '[SERVER] [DATABASE] > SNAPSHOT',
    help: 'dump database contents in the form of a database file',
    run: database(async () => (await backups()).backup),
  },
  {
    name: 'restore',
    min: 0,
    max: 0,
    usage: '[SERVER] [DATABASE] < SNAPSHOT',
    help: `restore database contents from a database file,
with --force even if its schema differs`,
    run: database(async () => (await backups()).restore),
  },
  {
    name: 'lock',
    min: 1,
    max: 1,
    usage: '[SERVER] LOCK',
    help: 'create or wait for LOCK in SERVER',
    run: server(async () => (await locks()).lockCommand('lock')),
  },
  {
    name: 'steal',
    min: 1,
    max: 1,
    usage: '[SERVER] LOCK',
    help: 'steal LOCK from SERVER',
    run: server(async () => (await locks()).lockCommand('steal')),
  },
  {
    name: 'unlock',
    min: 1,
    max: 1,
    usage: '[SERVER] LOCK',
    help: 'unlock LOCK from SERVER',
    run: server(async () => (await locks()).lockCommand('unlock')),
  },
];
