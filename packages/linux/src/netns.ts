/** Network namespaces: by name as ip-netns(8) has them, by pid, by path; and code within them. */
import {
  closeSync,
  existsSync,
  fstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  rmSync,
} from 'node:fs';
import { HeddleError, SystemError } from '@heddle/runtime/errors';
import { check, cString, mountFs, syscall } from './native.ts';
import { Fd } from './socket.ts';
import { SYS } from './syscalls.ts';

export const NETNS_RUN_DIR = '/run/netns';
const CLONE_NEWNET = 0x40000000;
const MS_BIND = 4096;
const MS_REC = 16384;
const MS_SHARED = 1 << 20;
const MNT_DETACH = 2;
/** The calling thread's: /proc/self is the main thread's, wrong in a worker. */
const OWN = '/proc/thread-self/ns/net';

export type NetnsRef =
  | { readonly name: string }
  | { readonly pid: number }
  | { readonly path: string };

export function netnsPath(ref: NetnsRef): string {
  if ('path' in ref) return ref.path;
  if ('pid' in ref) return `/proc/${ref.pid}/ns/net`;
  return `${NETNS_RUN_DIR}/${checkName(ref.name)}`;
}

/** Opens a namespace; it lives as long as the descriptor. */
export function openNetns(ref: NetnsRef): Fd {
  return new Fd(openSync(netnsPath(ref), 'r'));
}

export function openOwnNetns(): Fd {
  return new Fd(openSync(OWN, 'r'));
}

/** Names one namespace for its life: equal for two descriptors of the same namespace. */
export function netnsIdentity(fd: Fd): string {
  const { dev, ino } = fstatSync(fd.number, { bigint: true });
  return `${dev}:${ino}`;
}

/**
 * Runs synchronous code in a namespace. Sockets made there belong to it for their life. The code
 * must not return a promise: what comes after an await would run elsewhere.
 */
export function withNetns<T>(
  ns: Fd | number,
  code: () => T,
): T extends PromiseLike<unknown> ? never : T {
  using home = openOwnNetns();
  const fd = typeof ns === 'number' ? ns : ns.number;
  check(syscall(SYS.setns, fd, CLONE_NEWNET), 'setns');
  try {
    const result = code();
    if (result instanceof Promise) throw new TypeError('withNetns: the code must be synchronous');
    return result as T extends PromiseLike<unknown> ? never : T;
  } finally {
    goHome(home);
  }
}

/** Going on in a foreign namespace would do harm there: nothing may catch this. */
function goHome(home: Fd): void {
  const rc = syscall(SYS.setns, home.number, CLONE_NEWNET);
  if (rc >= 0) return;
  process.stderr.write(`cannot return to the own network namespace (${rc})\n`);
  process.abort();
}

/** A new namespace without a name; it lives as long as the descriptor (or what is moved in). */
export function createAnonymousNetns(): Fd {
  using home = openOwnNetns();
  check(syscall(SYS.unshare, CLONE_NEWNET), 'unshare');
  try {
    return openOwnNetns();
  } finally {
    goHome(home);
  }
}

/** `ip netns add`. EEXIST when the name is taken. */
export function createNetns(name: string): void {
  const path = netnsPath({ name });
  prepareRunDir();
  if (existsSync(path)) throw new SystemError('EEXIST', `network namespace "${name}"`);
  closeSync(openSync(path, 'wx', 0));
  try {
    using ns = createAnonymousNetns();
    check(mountFs(`/proc/self/fd/${ns.number}`, path, '', MS_BIND), `mount ${path}`);
  } catch (error) {
    rmSync(path, { force: true });
    throw error;
  }
}

/** `ip netns del`: the namespace goes when nothing else holds it. */
export function deleteNetns(name: string): void {
  const path = netnsPath({ name });
  if (!existsSync(path)) throw new SystemError('ENOENT', `network namespace "${name}"`);
  syscall(SYS.umount2, cString(path), MNT_DETACH);
  rmSync(path);
}

/** `ip netns list`, sorted. */
export function listNetns(): string[] {
  return existsSync(NETNS_RUN_DIR) ? readdirSync(NETNS_RUN_DIR).sort() : [];
}

/** A shared mount, so that names made and removed here are seen in every mount namespace. */
function prepareRunDir(): void {
  mkdirSync(NETNS_RUN_DIR, { recursive: true, mode: 0o755 });
  if (mountFs('', NETNS_RUN_DIR, '', MS_SHARED | MS_REC) >= 0) return;
  check(mountFs(NETNS_RUN_DIR, NETNS_RUN_DIR, '', MS_BIND | MS_REC), `mount ${NETNS_RUN_DIR}`);
  check(mountFs('', NETNS_RUN_DIR, '', MS_SHARED | MS_REC), `share ${NETNS_RUN_DIR}`);
}

function checkName(name: string): string {
  if (name === '' || name === '.' || name === '..' || name.includes('/') || name.includes('\0')) {
    throw new HeddleError(`Invalid netns name "${name}"`);
  }
  return name;
}
