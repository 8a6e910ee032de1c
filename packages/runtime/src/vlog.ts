/**
 * Logging as Open vSwitch does it (ovs-vswitchd(8), "Logging Options"): modules, three facilities
 * with a level each, patterns, and a limit to the rate of messages that a peer can provoke.
 */
import { closeSync, fchownSync, fstatSync, openSync, writeSync } from 'node:fs';
import { type Clock, realClock } from './clock.ts';
import { errnoOf, strerror } from './errors.ts';
import { OVS_MODULES } from './vlog-modules.ts';
import { formatRecord, type LogRecord, levelLabel } from './vlog-pattern.ts';
import { RateLimit } from './vlog-rate-limit.ts';

export const LEVELS = ['off', 'emer', 'err', 'warn', 'info', 'dbg'] as const;
export type Level = (typeof LEVELS)[number];
export const FACILITIES = ['syslog', 'console', 'file'] as const;
export type Facility = (typeof FACILITIES)[number];

const DEFAULT_PATTERNS: Readonly<Record<Facility, string>> = {
  console: '%D{%Y-%m-%dT%H:%M:%SZ}|%05N|%c%T|%p|%m',
  file: '%D{%Y-%m-%dT%H:%M:%S.###Z}|%05N|%c%T|%p|%m',
  syslog: 'ovs|%05N|%c%T|%p|%m',
};
/** RFC 5424: what FACILITY:NAME of vlog/set takes. */
const SYSLOG_FACILITIES: Readonly<Record<string, number>> = {
  ...{ kern: 0, user: 1, mail: 2, daemon: 3, auth: 4, syslog: 5, lpr: 6, news: 7, uucp: 8 },
  ...{ clock: 9, ftp: 11, ntp: 12, audit: 13, alert: 14, clock2: 15, local0: 16, local1: 17 },
  ...{ local2: 18, local3: 19, local4: 20, local5: 21, local6: 22, local7: 23 },
};

export interface SyslogFormat {
  /** What `vlog/list-pattern` shows. */
  readonly shown: string;
  /** What is sent before the message. */
  readonly sent: string;
}

/** How syslog messages begin, by method. */
export const SYSLOG_FORMATS: Readonly<Record<'libc' | 'datagram', SyslogFormat>> = {
  /** As syslog(3) writes to /dev/log. */
  libc: { shown: '<%B> %D{%h %e %T} %E %A:', sent: '<%B>%d{%b %e %T} %A: ' },
  datagram: { shown: '<%B>', sent: '<%B>' },
};

type Levels = Record<Facility, Level>;

const state = {
  program: 'ovs',
  thread: '',
  clock: realClock as Clock,
  defaults: { syslog: 'info', console: 'info', file: 'info' } as Levels,
  /** Levels of modules that are not loaded yet. */
  wanted: new Map<string, Partial<Levels>>(),
  patterns: { ...DEFAULT_PATTERNS } as Record<Facility, string>,
  syslogFormat: SYSLOG_FORMATS.libc,
  syslogFacility: SYSLOG_FACILITIES['daemon']!,
  sequence: 0,
  file: undefined as { path: string; fd: number; inode: number } | undefined,
  configuredFile: undefined as string | undefined,
  console: writeConsole as (line: string) => void,
  syslog: undefined as ((line: string) => void) | undefined,
};
const modules = new Map<string, Logger>();

export class Logger {
  readonly module: string;
  readonly levels: Levels;
  readonly #limits = new Map<string, RateLimit>();
  /** Off by vlog/disable-rate-limit. */
  rateLimited = true;

  constructor(module: string) {
    this.module = module;
    this.levels = { ...state.defaults, ...state.wanted.get(module) };
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
  limited(level: Level, message: string, key: string = level, perMinute?: number): void {
    if (!this.enabled(level)) return;
    if (!this.rateLimited) {
      this.log(level, message);
      return;
    }
    let limit = this.#limits.get(key);
    if (!limit) {
      if (this.#limits.size > 1000) this.#limits.clear();
      limit = new RateLimit(perMinute, perMinute);
      this.#limits.set(key, limit);
    }
    const note = limit.take(state.clock.nowMs());
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
  const record = (text: string): LogRecord => ({
    program: state.program,
    thread: state.thread,
    module,
    level,
    message: text,
    sequence: state.sequence,
    timeMs: state.clock.wallMs(),
    facility: state.syslogFacility,
  });
  const pattern = state.patterns[facility];
  if (facility === 'console') state.console(formatRecord(pattern, record(message)));
  else if (facility === 'file') writeFile(`${formatRecord(pattern, record(message))}\n`);
  else {
    const whole = `${state.syslogFormat.sent}${pattern}`;
    for (const line of message.split('\n')) state.syslog?.(formatRecord(whole, record(line)));
  }
}

function writeConsole(line: string): void {
  try {
    writeSync(2, `${line}\n`);
  } catch {
    // Nobody reads: that must not stop the switch.
  }
}

function writeFile(text: string): void {
  try {
    if (state.file) writeSync(state.file.fd, text);
  } catch {
    // A full disk must not stop the switch.
  }
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

  /** What %T shows: the name of a helper process. */
  setThread(name: string): void {
    state.thread = name;
  },

  setClock(clock: Clock): void {
    state.clock = clock;
  },

  /** Where console lines go; tests catch them here. */
  setConsole(write: ((line: string) => void) | undefined): void {
    state.console = write ?? writeConsole;
  },

  setSyslog(
    write: ((line: string) => void) | undefined,
    format: SyslogFormat = SYSLOG_FORMATS.libc,
  ): void {
    state.syslog = write;
    state.syslogFormat = format;
  },

  /** undefined stands for all. */
  setLevel(module: string | undefined, facility: Facility | undefined, level: Level): void {
    for (const f of facility ? [facility] : FACILITIES) {
      if (module === undefined) {
        state.defaults[f] = level;
        state.wanted.clear();
        for (const logger of modules.values()) logger.levels[f] = level;
      } else if (modules.has(module)) modules.get(module)!.levels[f] = level;
      else state.wanted.set(module, { ...state.wanted.get(module), [f]: level });
    }
  },

  /**
   * Applies SPEC of -v and vlog/set: words of module, destination and level in any order, or
   * PATTERN:DESTINATION:PATTERN, or FACILITY:NAME. Returns what is wrong, or undefined.
   */
  apply(spec: string): string | undefined {
    const [first = '', ...rest] = spec.split(':');
    if (first.toLowerCase() === 'pattern' && rest.length > 0) {
      return setPattern(rest[0]!.toLowerCase(), rest.slice(1).join(':'));
    }
    if (first.toLowerCase() === 'facility' && rest.length > 0) {
      const facility = SYSLOG_FACILITIES[rest.join(':').toLowerCase()];
      if (facility === undefined) return 'invalid facility';
      state.syslogFacility = facility;
      return undefined;
    }
    return setLevels(spec.split(/[ :,\t]+/).filter((word) => word !== ''));
  },

  /** Returns what is wrong, or undefined. No names: all modules. */
  setRateLimits(names: readonly string[], on: boolean): string | undefined {
    const chosen = names.map((name) => modules.get(name.toLowerCase()));
    if (chosen.includes(undefined)) return 'unknown module';
    for (const logger of names.length > 0 ? chosen : modules.values()) logger!.rateLimited = on;
    return undefined;
  },

  /** `vlog/list`. */
  list(): string {
    const lines = [
      '                 console    syslog    file',
      '                 -------    ------    ------',
    ];
    for (const [name, { levels }] of [...modules].sort(([a], [b]) => (a < b ? -1 : 1))) {
      const [c, s, f] = [levels.console, levels.syslog, levels.file].map(levelLabel);
      lines.push(
        `${name.padEnd(16)}  ${c!.padStart(4)}       ${s!.padStart(4)}       ${f!.padStart(4)}`,
      );
    }
    return `${lines.join('\n')}\n`;
  },

  /** `vlog/list-pattern`. */
  listPatterns(): string {
    const row = (name: string, prefix: string, format: string) =>
      `${name.padEnd(7)}  ${prefix.padEnd(32)}  ${format}\n`;
    return [
      row('', 'prefix', 'format'),
      row('', '------', '------'),
      row('SYSLOG', state.syslogFormat.shown, state.patterns.syslog),
      row('CONSOLE', 'none', state.patterns.console),
      row('FILE', 'none', state.patterns.file),
    ].join('');
  },

  /** Logs to `path` from now on; returns false, having warned, when that cannot be opened. */
  openFile(path: string, announce = true): boolean {
    let opened: { path: string; fd: number; inode: number };
    try {
      const fd = openSync(path, 'a', 0o640);
      opened = { path, fd, inode: fstatSync(fd).ino };
    } catch (error) {
      log.warn(`failed to open ${path} for logging: ${strerror(errnoOf(error))}`);
      return false;
    }
    const old = state.file;
    if (old !== undefined && old.inode === opened.inode) {
      closeSync(opened.fd);
      return true;
    }
    if (old) {
      log.info('closing log file');
      closeSync(old.fd);
    }
    state.file = opened;
    state.configuredFile = path;
    if (announce) log.info(`opened log file ${path}`);
    return true;
  },

  /** Who is to write to the log file owns it, and can reopen it. */
  giveFileTo({ uid, gid }: { uid: number; gid: number }): void {
    if (state.file) fchownSync(state.file.fd, uid, gid);
  },

  /** `vlog/reopen`, after the file was rotated away; false when there is none to open. */
  reopenFile(): boolean {
    return state.configuredFile !== undefined && vlog.openFile(state.configuredFile);
  },

  closeFile(): void {
    if (!state.file) return;
    log.info('closing log file');
    closeSync(state.file.fd);
    state.file = undefined;
  },

  /** What was configured, open or not. */
  get file(): string | undefined {
    return state.configuredFile;
  },
};

const log = vlog.module('vlog');

function setPattern(destination: string, pattern: string): string | undefined {
  if (destination !== 'any' && !isFacility(destination)) {
    return `unknown destination "${destination}"`;
  }
  for (const f of FACILITIES) {
    if (destination === 'any' || destination === f) state.patterns[f] = pattern;
  }
  return undefined;
}

function setLevels(words: readonly string[]): string | undefined {
  let level: Level | undefined;
  let facility: Facility | undefined;
  let module: string | undefined;
  for (const word of words.map((w) => w.toLowerCase())) {
    if (isFacility(word)) {
      if (facility !== undefined) return 'cannot specify multiple destinations';
      facility = word;
    } else if ((LEVELS as readonly string[]).includes(word)) {
      if (level !== undefined) return 'cannot specify multiple levels';
      level = word as Level;
    } else if (modules.has(word) || OVS_MODULES.has(word)) {
      if (module !== undefined) return 'cannot specify multiple modules';
      module = word;
    } else if (word !== 'any') {
      return `no destination, level, or module "${words.find((w) => w.toLowerCase() === word)}"`;
    }
  }
  vlog.setLevel(module, facility, level ?? 'dbg');
  return undefined;
}

function isFacility(word: string): word is Facility {
  return (FACILITIES as readonly string[]).includes(word);
}
