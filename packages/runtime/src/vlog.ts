/**
 * Logging as Open vSwitch does it (ovs-vswitchd(8), "Logging Options"): modules, three facilities
 * with a level each, patterns, and a limit to the rate of messages that a peer can provoke.
 */
import { closeSync, openSync, writeSync } from 'node:fs';

export const LEVELS = ['off', 'emer', 'err', 'warn', 'info', 'dbg'] as const;
export type Level = (typeof LEVELS)[number];
export const FACILITIES = ['syslog', 'console', 'file'] as const;
export type Facility = (typeof FACILITIES)[number];

const LABEL: Record<Level, string> = {
  off: 'OFF',
  emer: 'EMER',
  err: 'ERR',
  warn: 'WARN',
  info: 'INFO',
  dbg: 'DBG',
};
const SEVERITY: Record<Level, number> = { off: 0, emer: 1, err: 3, warn: 4, info: 6, dbg: 7 };
const DEFAULT_PATTERNS: Record<Facility, string> = {
  console: '%D{%Y-%m-%dT%H:%M:%SZ}|%05N|%c%T|%p|%m',
  file: '%D{%Y-%m-%dT%H:%M:%S.###Z}|%05N|%c%T|%p|%m',
  syslog: 'ovs|%05N|%c%T|%p|%m',
};

type Levels = Record<Facility, Level>;

const state = {
  program: 'ovs',
  defaults: { syslog: 'info', console: 'off', file: 'info' } as Levels,
  patterns: { ...DEFAULT_PATTERNS },
  sequence: 0,
  file: undefined as { path: string; fd: number } | undefined,
  console: ((line) => process.stderr.write(`${line}\n`)) as (line: string) => void,
  syslog: undefined as ((severity: number, line: string) => void) | undefined,
};
const modules = new Map<string, Logger>();

/** Messages per second and burst allowed on a rate-limited line of code. */
class RateLimit {
  readonly #perMs: number;
  readonly #burst: number;
  #tokens: number;
  #filled = 0;
  #dropped = 0;
  #firstDrop = 0;
  #lastDrop = 0;

  constructor(perMinute = 5, burst = 5) {
    this.#perMs = perMinute / 60_000;
    this.#burst = burst;
    this.#tokens = burst;
  }

  /** undefined: drop this message. Otherwise what to say first, '' for nothing. */
  take(nowMs: number): string | undefined {
    this.#tokens = Math.min(this.#burst, this.#tokens + (nowMs - this.#filled) * this.#perMs);
    this.#filled = nowMs;
    if (this.#tokens < 1) {
      if (this.#dropped++ === 0) this.#firstDrop = nowMs;
      this.#lastDrop = nowMs;
      return undefined;
    }
    this.#tokens -= 1;
    const n = this.#dropped;
    if (n === 0) return '';
    this.#dropped = 0;
    const first = Math.round((nowMs - this.#firstDrop) / 1000);
    const last = Math.round((nowMs - this.#lastDrop) / 1000);
    return `Dropped ${n} log messages in last ${first} seconds (most recently, ${last} seconds ago) due to excessive rate`;
  }
}

export class Logger {
  readonly module: string;
  readonly levels: Levels;
  readonly #limits = new Map<string, RateLimit>();

  constructor(module: string) {
    this.module = module;
    this.levels = { ...state.defaults };
  }

  enabled(level: Level): boolean {
    const n = LEVELS.indexOf(level);
    return FACILITIES.some((f) => LEVELS.indexOf(this.levels[f]) >= n);
  }

  log(level: Level, message: string): void {
    const n = LEVELS.indexOf(level);
    let counted = false;
    for (const facility of FACILITIES) {
      if (LEVELS.indexOf(this.levels[facility]) < n) continue;
      if (!counted) state.sequence++;
      counted = true;
      emit(facility, this.module, level, message);
    }
  }

  /** As `log`, but at most a few times a minute for each `key` (by default the level). */
  limited(level: Level, message: string, key: string = level): void {
    if (!this.enabled(level)) return;
    let limit = this.#limits.get(key);
    if (!limit) {
      if (this.#limits.size > 1000) this.#limits.clear();
      limit = new RateLimit();
      this.#limits.set(key, limit);
    }
    const note = limit.take(Date.now());
    if (note === undefined) return;
    if (note !== '') this.log(level, note);
    this.log(level, message);
  }

  emer(message: string): void {
    this.log('emer', message);
  }
  err(message: string): void {
    this.log('err', message);
  }
  warn(message: string): void {
    this.log('warn', message);
  }
  info(message: string): void {
    this.log('info', message);
  }
  dbg(message: string): void {
    this.log('dbg', message);
  }

  /** The same methods at a limited rate, for what a peer can provoke. */
  readonly rl = {
    err: (message: string, key?: string) => this.limited('err', message, key),
    warn: (message: string, key?: string) => this.limited('warn', message, key),
    info: (message: string, key?: string) => this.limited('info', message, key),
    dbg: (message: string, key?: string) => this.limited('dbg', message, key),
  };
}

function emit(facility: Facility, module: string, level: Level, message: string): void {
  if (facility === 'file' && !state.file) return;
  if (facility === 'syslog' && !state.syslog) return;
  for (const line of message.split('\n')) {
    const text = format(state.patterns[facility], module, level, line);
    if (facility === 'console') state.console(text);
    else if (facility === 'syslog') state.syslog?.(SEVERITY[level], text);
    else writeFile(`${text}\n`);
  }
}

function writeFile(text: string): void {
  try {
    if (state.file) writeSync(state.file.fd, text);
  } catch {
    // A full disk must not stop the switch.
  }
}

function format(pattern: string, module: string, level: Level, message: string): string {
  const now = new Date();
  return pattern.replace(
    /%(-?0?\d*)(?:([aAcDdEmnNpPrtT%])(?:\{([^}]*)\})?)/g,
    (_, width: string, letter: string, argument?: string) =>
      pad(expand(letter, argument, now, module, level, message), width),
  );
}

function expand(
  letter: string,
  argument: string | undefined,
  now: Date,
  module: string,
  level: Level,
  message: string,
): string {
  switch (letter) {
    case 'A':
      return state.program;
    case 'c':
      return module;
    case 'd':
    case 'D':
      return time(argument ?? '%Y-%m-%d %H:%M:%S', now, letter === 'd');
    case 'm':
      return message;
    case 'N':
      return String(state.sequence);
    case 'n':
      return '\n';
    case 'p':
      return LABEL[level];
    case 'P':
      return String(process.pid);
    case 'r':
      return String(Math.round(performance.now()));
    case 't':
    case 'T':
      return '';
    default:
      return letter === '%' ? '%' : '';
  }
}

function time(pattern: string, now: Date, local: boolean): string {
  const two = (n: number) => String(n).padStart(2, '0');
  const at = local ? new Date(now.getTime() - now.getTimezoneOffset() * 60_000) : now;
  return pattern
    .replace('%Y', String(at.getUTCFullYear()))
    .replace('%m', two(at.getUTCMonth() + 1))
    .replace('%d', two(at.getUTCDate()))
    .replace('%H', two(at.getUTCHours()))
    .replace('%M', two(at.getUTCMinutes()))
    .replace('%S', two(at.getUTCSeconds()))
    .replace('###', String(at.getUTCMilliseconds()).padStart(3, '0'));
}

function pad(text: string, width: string): string {
  const m = /^(-?)(0?)(\d*)$/.exec(width);
  const n = Number(m?.[3] ?? 0);
  if (!m || n === 0) return text;
  return m[1] ? text.padEnd(n) : text.padStart(n, m[2] ? '0' : ' ');
}

export const vlog = {
  /** The logger of a module, made when it is not there. */
  module(name: string): Logger {
    let logger = modules.get(name);
    if (!logger) {
      logger = new Logger(name);
      modules.set(name, logger);
    }
    return logger;
  },

  setProgram(name: string): void {
    state.program = name;
  },

  /** Where console lines go; tests catch them here. */
  setConsole(write: (line: string) => void): void {
    state.console = write;
  },

  setSyslog(write: ((severity: number, line: string) => void) | undefined): void {
    state.syslog = write;
  },

  setLevel(module: string | undefined, facility: Facility | undefined, level: Level): void {
    for (const f of facility ? [facility] : FACILITIES) {
      if (module === undefined) {
        state.defaults[f] = level;
        for (const logger of modules.values()) logger.levels[f] = level;
      } else vlog.module(module).levels[f] = level;
    }
  },

  /**
   * Applies `[SPEC]` of -v and vlog/set: words of module, facility and level in any order, or
   * PATTERN:FACILITY:PATTERN. Returns what is wrong, or undefined.
   */
  apply(spec: string): string | undefined {
    const pattern = /^PATTERN:(syslog|console|file|any):(.*)$/is.exec(spec);
    if (pattern) {
      const to = pattern[1]!.toLowerCase();
      for (const f of FACILITIES) if (to === 'any' || to === f) state.patterns[f] = pattern[2]!;
      return undefined;
    }
    let level: Level | undefined;
    let facility: Facility | undefined;
    let module: string | undefined;
    for (const word of spec.split(/[ :,\t]+/).filter((w) => w !== '')) {
      const lower = word.toLowerCase();
      if ((LEVELS as readonly string[]).includes(lower)) level = lower as Level;
      else if ((FACILITIES as readonly string[]).includes(lower)) facility = lower as Facility;
      else if (lower === 'any') continue;
      else if (modules.has(word)) module = word;
      else if (/^[\w-]+$/.test(word) && !modules.has(word)) {
        return `no facility, level, or module named "${word}"`;
      } else return `${spec}: syntax error`;
    }
    vlog.setLevel(module, facility, level ?? 'dbg');
    return undefined;
  },

  /** `vlog/list`. */
  list(): string {
    const lines = [
      '                 console    syslog    file',
      '                 -------    ------    ------',
    ];
    for (const [name, { levels }] of [...modules].sort(([a], [b]) => (a < b ? -1 : 1))) {
      const [c, s, f] = [levels.console, levels.syslog, levels.file].map((l) => LABEL[l]);
      lines.push(
        `${name.padEnd(16)}  ${c!.padStart(4)}       ${s!.padStart(4)}       ${f!.padStart(4)}`,
      );
    }
    return `${lines.join('\n')}\n`;
  },

  /** `vlog/list-pattern`. */
  listPatterns(): string {
    const lines = ['         format', '         ------'];
    for (const f of ['syslog', 'console', 'file'] as const)
      lines.push(`${f.padEnd(7)}  ${state.patterns[f]}`);
    return `${lines.join('\n')}\n`;
  },

  /** Opens (or, without a path, reopens) the log file; throws what open(2) answers. */
  openFile(path = state.file?.path): void {
    if (path === undefined) return;
    const fd = openSync(path, 'a', 0o640);
    const old = state.file;
    state.file = { path, fd };
    if (old) closeSync(old.fd);
    else vlog.module('vlog').info(`opened log file ${path}`);
  },

  closeFile(): void {
    if (state.file) closeSync(state.file.fd);
    state.file = undefined;
  },

  get file(): string | undefined {
    return state.file?.path;
  },
};
