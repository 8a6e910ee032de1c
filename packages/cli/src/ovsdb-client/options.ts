import { applyDaemonOption, DAEMON_OPTIONS, type DaemonConfig } from '@heddle/runtime/daemon';
import { HeddleError } from '@heddle/runtime/errors';
import { applyLogOption, LOG_OPTIONS } from '@heddle/runtime/log-options';
import type { OptionSpec, ParsedOption } from '@heddle/runtime/options';
import type { TlsFiles } from '@heddle/runtime/remote';
import { applyTableOption, TABLE_OPTIONS } from '../table/options.ts';
import type { TableStyle } from '../table/table.ts';
import { applyTlsOption, TLS_OPTIONS } from '../tls/options.ts';
import { startAlarm } from './alarm.ts';
import type { Settings } from './context.ts';
import { PROGRAM } from './program.ts';

export const OPTIONS: readonly OptionSpec[] = [
  { long: 'help', short: 'h' },
  { long: 'version', short: 'V' },
  { long: 'timestamp' },
  { long: 'force' },
  { long: 'timeout', short: 't', argument: 'SECS' },
  { long: 'db-change-aware' },
  { long: 'no-db-change-aware' },
  { long: 'leader-only' },
  { long: 'no-leader-only' },
  { long: 'record', argument: 'DIR', optional: true },
  { long: 'replay', argument: 'DIR', optional: true },
  ...TLS_OPTIONS,
  ...TABLE_OPTIONS,
  ...DAEMON_OPTIONS,
  ...LOG_OPTIONS,
];

export interface MutableSettings extends Settings {
  readonly style: TableStyle;
  readonly tls: TlsFiles;
}

/** Throws HeddleError for what is not supported. */
export function applyOptions(
  options: readonly ParsedOption[],
  settings: MutableSettings,
  daemon: DaemonConfig,
): void {
  for (const option of options) {
    if (applyTableOption(settings.style, option)) continue;
    if (applyTlsOption(settings.tls, option)) continue;
    if (applyDaemonOption(PROGRAM, daemon, option) || applyLogOption(PROGRAM, option)) continue;
    applyOption(option, settings);
  }
  settings.detach = daemon.detach;
}

function applyOption({ spec, value = '' }: ParsedOption, settings: MutableSettings): void {
  switch (spec.long) {
    case 'timestamp':
      settings.timestamp = true;
      return;
    case 'force':
      settings.force = true;
      return;
    case 'timeout':
      startAlarm(value);
      return;
    case 'leader-only':
    case 'no-leader-only':
      settings.leaderOnly = spec.long === 'leader-only';
      return;
    case 'db-change-aware':
    case 'no-db-change-aware':
      settings.dbChangeAware = spec.long === 'db-change-aware';
      return;
    default:
      throw new HeddleError(`--${spec.long} is not supported`);
  }
}
