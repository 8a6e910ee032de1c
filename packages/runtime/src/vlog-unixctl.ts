import { type UnixctlCommands, UnixctlError } from './unixctl-command.ts';
import { vlog } from './vlog.ts';

/** The commands vlog/*. */
export function registerVlog(server: UnixctlCommands): void {
  const check = (wrong: string | undefined): string => {
    if (wrong !== undefined) throw new UnixctlError(wrong);
    return '';
  };
  server.register('vlog/list', '', 0, 0, () => vlog.list());
  server.register('vlog/list-pattern', '', 0, 0, () => vlog.listPatterns());
  const usage = '{spec | PATTERN:destination:pattern}';
  server.register('vlog/set', usage, 0, Number.POSITIVE_INFINITY, (specs) => {
    // Without a SPEC everything is logged, as -v alone does.
    if (specs.length === 0) vlog.setLevel(undefined, undefined, 'dbg');
    for (const spec of specs) check(vlog.apply(spec));
    return '';
  });
  const modules = '[module]...';
  const any = Number.POSITIVE_INFINITY;
  server.register('vlog/enable-rate-limit', modules, 0, any, (names) =>
    check(vlog.setRateLimits(names, true)),
  );
  server.register('vlog/disable-rate-limit', modules, 0, any, (names) =>
    check(vlog.setRateLimits(names, false)),
  );
  server.register('vlog/reopen', '', 0, 0, () => {
    if (vlog.file === undefined) throw new UnixctlError('Logging to file not configured');
    if (!vlog.reopenFile()) throw new UnixctlError('could not reopen the log file');
    return '';
  });
  server.register('vlog/close', '', 0, 0, () => {
    vlog.closeFile();
    return '';
  });
}
