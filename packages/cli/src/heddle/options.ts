/** Options of the subcommands that start and stop daemons. */
import { DAEMON_OPTIONS, LOG_OPTIONS } from '@heddle/runtime/daemon';
import type { OptionSpec } from '@heddle/runtime/options';

export const UP_OPTIONS: readonly OptionSpec[] = [
  { long: 'no-detach', help: 'stay in the foreground' },
  { long: 'remote', argument: 'REMOTE', help: 'also listen there for database clients' },
  ...DAEMON_OPTIONS.filter(({ long }) => long === 'no-chdir' || long === 'monitor'),
  ...LOG_OPTIONS,
];

export const DOWN_OPTIONS: readonly OptionSpec[] = [
  { long: 'keep-traffic', help: 'leave programs and flows in the kernel: traffic goes on' },
];
