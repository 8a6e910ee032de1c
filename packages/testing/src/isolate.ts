/**
 * A test file of its own world: network, mounts and processes in new namespaces, with fresh sysfs,
 * bpffs and /run. When the file ends, however it ends, the kernel removes all that it made.
 */
import { spawnSync } from 'node:child_process';

const MARK = 'HEDDLE_ISOLATED';

const SETUP = [
  'mount --make-rprivate /',
  'mount -t sysfs sysfs /sys',
  'mount -t bpf bpf /sys/fs/bpf',
  'mount -t cgroup2 cgroup2 /sys/fs/cgroup 2>/dev/null || true',
  'mount -t tmpfs tmpfs /run',
  'mkdir -p /run/netns',
  'ip link set lo up',
  'exec "$@"',
].join('\n');

/** Namespaces need root: without it such a test cannot run at all, and says so. */
export function requireRoot(): void {
  if (process.getuid?.() !== 0)
    throw new Error('this test makes network namespaces: run it as root');
}

/** Call it first in a test file; the outer process never returns from it. */
export function isolate(): void {
  if (process.env[MARK] !== undefined) return;
  requireRoot();
  const inner = [process.execPath, ...process.execArgv, ...process.argv.slice(1)];
  const result = spawnSync(
    'unshare',
    ['--net', '--mount', '--pid', '--fork', '--kill-child', '--mount-proc'].concat(
      ['sh', '-ec', SETUP, 'sh'],
      inner,
    ),
    { stdio: 'inherit', env: { ...process.env, [MARK]: String(process.pid) } },
  );
  if (result.error) throw result.error;
  process.exit(result.status ?? 1);
}
