/** What every dpctl command stands on: its table entry, its options and where its words go. */
import type { Dpif } from '@heddle/datapath';
import { errnoOf, SystemError } from '@heddle/runtime';

/** Where the datapaths are and who speaks: `ovs-vswitchd` for dpctl/*, else `ovs-dpctl`. */
export interface DpctlEnv {
  readonly program: string;
  dpifs(): readonly Dpif[];
  /** Makes a datapath by hand, with a port of its name; throws EEXIST, EINVAL, EAFNOSUPPORT. */
  createDpif?(type: string, name: string): Promise<Dpif>;
  destroyDpif?(dpif: Dpif): Promise<void>;
  readFile(name: string): Promise<string>;
}

export interface DpctlOptions {
  statistics: boolean;
  more: boolean;
  clear: boolean;
  mayCreate: boolean;
  /** undefined: as `-m` says. */
  names: boolean | undefined;
}

/** One run of a command; gathers output in the order in which upstream writes it. */
export class DpctlRun {
  readonly env: DpctlEnv;
  readonly args: readonly string[];
  readonly options: DpctlOptions;
  output = '';
  /** What comes behind `output` and may be too much to be held at once. */
  more: AsyncIterable<string> | undefined;
  failed = false;

  constructor(env: DpctlEnv, args: readonly string[], options: DpctlOptions) {
    this.env = env;
    this.args = args;
    this.options = options;
  }

  print(line: string): void {
    this.output += `${line}\n`;
  }

  /** Words about a failure that does not make the command fail. */
  complain(message: string, code?: string): void {
    this.output += `${this.env.program}: ${message}${code === undefined ? '' : ` (${errorText(code)})`}\n`;
  }

  fail(message: string, code?: string): void {
    this.complain(message, code);
    this.failed = true;
  }

  get withNames(): boolean {
    return this.options.names ?? this.options.more;
  }
}

export interface DpctlCommand {
  readonly name: string;
  readonly usage: string;
  readonly minArgs: number;
  readonly maxArgs: number;
  run(run: DpctlRun): void | Promise<void>;
}

/** Upstream's name of the datapath, `TYPE@NAME`. */
export function dpFullName(dpif: Dpif): string {
  return `${dpif.type}@${dpif.name}`;
}

/** `[TYPE@]NAME`; the type defaults to `system`. */
export function parseDpName(arg: string): { type: string; name: string } {
  const at = arg.indexOf('@');
  const type = at < 0 ? 'system' : arg.slice(0, at) || 'system';
  return { type, name: arg.slice(at + 1) };
}

export function findDpif(env: DpctlEnv, arg: string): Dpif | undefined {
  const { type, name } = parseDpName(arg);
  return env.dpifs().find((d) => d.type === type && d.name === name);
}

/** Why there is no datapath of that name: there is one of another type, or none at all. */
export function missingDpif(env: DpctlEnv, arg: string): 'EINVAL' | 'ENODEV' {
  const { name } = parseDpName(arg);
  return env.dpifs().some((d) => d.name === name) ? 'EINVAL' : 'ENODEV';
}

/**
 * The datapath of a command whose `dp` is optional: the first argument when it names one or when
 * the command has more arguments than it needs, else the only datapath there is.
 */
export function takeDpif(
  run: DpctlRun,
  needed: number,
): { dpif: Dpif; rest: string[] } | undefined {
  const [first, ...rest] = run.args;
  if (first !== undefined && run.args.length > needed && !first.includes('=')) {
    const named = findDpif(run.env, first);
    if (named) return { dpif: named, rest };
  }
  const all = run.env.dpifs();
  if (all.length === 1 && run.args.length <= needed) return { dpif: all[0]!, rest: [...run.args] };
  if (all.length === 0 && run.env.program === 'ovs-dpctl') run.complain('no datapaths exist');
  run.fail('datapath not found', 'EINVAL');
  return undefined;
}

export function errorCode(error: unknown): string {
  return error instanceof SystemError ? error.code : errnoOf(error, 'EINVAL');
}

function errorText(code: string): string {
  return new SystemError(code, '').strerror;
}
