/** capabilities(7) that a daemon keeps when it gives up root's: those of ovsdb-server(1), `--user`. */
import { check, syscall } from './native.ts';

const SYS_CAPGET = process.arch === 'arm64' ? 90 : 125;
const SYS_CAPSET = process.arch === 'arm64' ? 91 : 126;
const SYS_PRCTL = process.arch === 'arm64' ? 167 : 157;
const PR_SET_KEEPCAPS = 8;
const PR_CAPBSET_DROP = 24;
const PR_CAP_AMBIENT = 47;
const PR_CAP_AMBIENT_CLEAR_ALL = 4;
const VERSION_3 = 0x20080522;
const CAP_SETGID = 6;
const CAP_SETUID = 7;
const CAP_SETPCAP = 8;
const CAP_NET_BIND_SERVICE = 10;
const CAP_IPC_LOCK = 14;
const KEPT = [CAP_NET_BIND_SERVICE, CAP_IPC_LOCK];

/**
 * Runs `change`, which changes the user, and keeps CAP_IPC_LOCK and CAP_NET_BIND_SERVICE alone. That
 * is of the thread that calls: the others lose everything with the user.
 */
export function keepDaemonCapabilities(change: () => void): void {
  check(prctl(PR_SET_KEEPCAPS, 1), 'prctl');
  set([...KEPT, CAP_SETGID, CAP_SETUID, CAP_SETPCAP]);
  for (let capability = 0; prctl(PR_CAPBSET_DROP, capability) >= 0; capability++);
  change();
  prctl(PR_SET_KEEPCAPS, 0);
  set(KEPT);
  prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL);
}

/** Makes these, as far as there are, the effective and permitted ones, and none inheritable. */
function set(capabilities: readonly number[]): void {
  // struct __user_cap_header_struct: version, pid; two of struct __user_cap_data_struct, each
  // effective, permitted, inheritable.
  const header = Uint32Array.of(VERSION_3, 0);
  const data = new Uint32Array(6);
  check(syscall(SYS_CAPGET, header, data), 'capget');
  const bits = capabilities.reduce((all, capability) => all | (1 << capability), 0) & data[1]!;
  check(syscall(SYS_CAPSET, header, Uint32Array.of(bits, bits, 0, 0, 0, 0)), 'capset');
}

function prctl(option: number, argument: number): number {
  return syscall(SYS_PRCTL, option, argument, 0, 0, 0);
}
