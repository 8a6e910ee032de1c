/** Options of ovs-vsctl as a whole (ovs-vsctl(8), "Options"). */
import { dirs } from '@heddle/runtime/dirs';
import { applyLogOption, LOG_OPTIONS } from '@heddle/runtime/log-options';
import type { OptionSpec, ParsedOption } from '@heddle/runtime/options';
import type { TlsFiles } from '@heddle/runtime/remote';
import { vlog } from '@heddle/runtime/vlog';
import { applyTableOption, TABLE_OPTIONS, tableStyle } from '../table/options.ts';
import type { TableStyle } from '../table/table.ts';
import { applyTlsOption, noTls, TLS_OPTIONS } from '../tls/options.ts';
import { VsctlError } from './errors.ts';
import { PROGRAM } from './program.ts';

export const OPTIONS: readonly OptionSpec[] = [
  { long: 'db', argument: 'DATABASE' },
  { long: 'no-syslog' },
  { long: 'no-wait' },
  { long: 'dry-run' },
  { long: 'oneline' },
  { long: 'timeout', short: 't', argument: 'SECS' },
  { long: 'retry' },
  { long: 'help', short: 'h' },
  { long: 'commands' },
  { long: 'options' },
  { long: 'leader-only' },
  { long: 'no-leader-only' },
  { long: 'shuffle-remotes' },
  { long: 'no-shuffle-remotes' },
  { long: 'version', short: 'V' },
  ...LOG_OPTIONS.map(({ long, short, argument }) => ({
    long: long!,
    argument: argument!,
    ...(short === undefined ? {} : { short }),
    optional: long === 'verbose' || long === 'log-file',
  })),
  ...TABLE_OPTIONS,
  ...TLS_OPTIONS,
  { long: 'peer-ca-cert', argument: 'FILE' },
];

export interface Settings {
  db: string;
  wait: boolean;
  retry: boolean;
  leaderOnly: boolean;
  shuffle: boolean;
  /** 0 for as long as it takes. */
  timeoutSecs: number;
  dryRun: boolean;
  oneline: boolean;
  readonly style: TableStyle;
  readonly tls: TlsFiles;
  /** Instead of running commands. */
  action: 'run' | 'help' | 'version' | 'commands' | 'options';
}

export function defaultSettings(): Settings {
  const fromEnvironment = Number(process.env['OVS_CTL_TIMEOUT'] ?? 0);
  return {
    db: dirs.defaultRemote,
    wait: true,
    retry: false,
    leaderOnly: true,
    shuffle: true,
    timeoutSecs: Number.isInteger(fromEnvironment) ? Math.max(0, fromEnvironment) : 0,
    dryRun: false,
    oneline: false,
    style: tableStyle('list'),
    tls: noTls(),
    action: 'run',
  };
}

/** `ownProcess`: whether the log is ours to set up. */
export function applyOption(s: Settings, option: ParsedOption, ownProcess: boolean): void {
  if (applyTableOption(s.style, option) || applyTlsOption(s.tls, option)) return;
  if (ownProcess && applyLogOption(PROGRAM, option)) return;
  const { spec, value = '' } = option;
  switch (spec.long) {
    case 'db':
      s.db = value;
      return;
    case 'no-wait':
      s.wait = false;
      return;
    case 'retry':
      s.retry = true;
      return;
    case 'dry-run':
      s.dryRun = true;
      return;
    case 'oneline':
      s.oneline = true;
      return;
    case 'no-syslog':
      if (ownProcess) vlog.setLevel('vsctl', 'syslog', 'warn');
      return;
    case 'timeout':
      s.timeoutSecs = seconds(value);
      return;
    case 'leader-only':
    case 'no-leader-only':
      s.leaderOnly = spec.long === 'leader-only';
      return;
    case 'shuffle-remotes':
    case 'no-shuffle-remotes':
      s.shuffle = spec.long === 'shuffle-remotes';
      return;
    case 'help':
    case 'version':
    case 'commands':
    case 'options':
      if (s.action === 'run') s.action = spec.long;
  }
}

function seconds(text: string): number {
  const n = Number(text);
  if (!/^\d+$/.test(text) || n < 1 || n >= 2 ** 31) {
    throw new VsctlError(`value ${text} on -t or --timeout is invalid`);
  }
  return n;
}
