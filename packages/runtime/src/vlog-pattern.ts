/** Log patterns: the %-letters of ovs-appctl(8), "vlog/set PATTERN". */
import { hostname } from 'node:os';
import type { Level } from './vlog.ts';

const LABEL: Readonly<Record<Level, string>> = {
  off: 'OFF',
  emer: 'EMER',
  err: 'ERR',
  warn: 'WARN',
  info: 'INFO',
  dbg: 'DBG',
};
/** Syslog's severities; information counts as a notice. */
const SEVERITY: Readonly<Record<Level, number>> = {
  off: 7,
  emer: 1,
  err: 3,
  warn: 4,
  info: 5,
  dbg: 7,
};

export interface LogRecord {
  readonly program: string;
  /** Of the process when it is not the daemon itself: `monitor`. */
  readonly thread: string;
  readonly module: string;
  readonly level: Level;
  readonly message: string;
  readonly sequence: number;
  readonly timeMs: number;
  /** RFC 5424, e.g. 3 for daemon. */
  readonly facility: number;
}

export function levelLabel(level: Level): string {
  return LABEL[level];
}

export function formatRecord(pattern: string, record: LogRecord): string {
  return pattern.replace(
    /%(-?)(0?)(\d*)([a-zA-Z%])(?:\{([^}]*)\})?/g,
    (whole, left: string, zero: string, width: string, letter: string, argument?: string) => {
      const text = expand(letter, argument, record);
      if (text === undefined) return whole;
      const suffix = argument !== undefined && !'dDtT'.includes(letter) ? `{${argument}}` : '';
      const n = Number(width);
      const padded = left ? text.padEnd(n) : text.padStart(n, zero ? '0' : ' ');
      return padded + suffix;
    },
  );
}

function expand(letter: string, argument: string | undefined, r: LogRecord): string | undefined {
  switch (letter) {
    case 'A':
      return r.program;
    case 'B':
      return String(r.facility * 8 + SEVERITY[r.level]);
    case 'c':
      return r.module;
    case 'd':
    case 'D':
      return formatTime(argument ?? '%Y-%m-%d %H:%M:%S.###', r.timeMs, letter === 'd');
    case 'E':
      return hostname();
    case 'm':
      return r.message;
    case 'N':
      return String(r.sequence);
    case 'n':
      return '\n';
    case 'p':
      return LABEL[r.level];
    case 'P':
      return String(process.pid);
    case 'r':
      return String(Math.round(performance.now()));
    case 't':
      return r.thread === '' ? (argument ?? 'main') : r.thread;
    case 'T':
      return r.thread === '' ? (argument ?? '') : `(${r.thread})`;
    case '%':
      return '%';
    default:
      return undefined;
  }
}

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun'].concat([
  'Jul',
  'Aug',
  'Sep',
  'Oct',
  'Nov',
  'Dec',
]);

/** The letters of strftime(3) that logs use, and `###` for milliseconds. */
function formatTime(pattern: string, ms: number, local: boolean): string {
  const two = (n: number, fill = '0') => String(n).padStart(2, fill);
  const at = new Date(local ? ms - new Date(ms).getTimezoneOffset() * 60_000 : ms);
  const letters: Record<string, () => string> = {
    Y: () => String(at.getUTCFullYear()),
    y: () => two(at.getUTCFullYear() % 100),
    m: () => two(at.getUTCMonth() + 1),
    b: () => MONTHS[at.getUTCMonth()]!,
    h: () => MONTHS[at.getUTCMonth()]!,
    d: () => two(at.getUTCDate()),
    e: () => two(at.getUTCDate(), ' '),
    H: () => two(at.getUTCHours()),
    M: () => two(at.getUTCMinutes()),
    S: () => two(at.getUTCSeconds()),
    s: () => String(Math.floor(ms / 1000)),
    F: () => at.toISOString().slice(0, 10),
    T: () => at.toISOString().slice(11, 19),
    '%': () => '%',
  };
  return pattern
    .replace(/%(.)/g, (whole, letter: string) => letters[letter]?.() ?? whole)
    .replaceAll('###', String(at.getUTCMilliseconds()).padStart(3, '0'));
}
