/** Pidfiles, locked as upstream's are: who reads one asks fcntl(F_GETLK) whether it is stale. */
import {
  closeSync,
  fstatSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { basename } from 'node:path';
import { errnoOf, HeddleError, strerror } from './errors.ts';
import { removeAtExit } from './exit-files.ts';
import { type FileLocks, fileLocks } from './file-lock.ts';

/** Paths of this process's own: to open and close one again would give its lock up. */
const ours = new Set<string>();

/**
 * Creates and locks the pidfile; throws HeddleError when a running process has it. The file
 * descriptor stays open with the lock as long as the process lives.
 */
export function claimPidfile(program: string, path: string, overwrite: boolean): void {
  const running = overwrite ? undefined : runningPid(path);
  if (running !== undefined && running !== process.pid) {
    throw new HeddleError(`${program}: ${path}: already running as pid ${running}, aborting`);
  }
  const tmp = `${path}.tmp`;
  let fd: number;
  try {
    fd = openSync(tmp, 'w', 0o644);
  } catch (error) {
    throw new HeddleError(`${program}: ${tmp}: create failed (${strerror(errnoOf(error))})`);
  }
  // Two that start at once meet here: the lock goes to one.
  if (attempt((locks) => locks.lock(fd)) !== undefined) {
    throw new HeddleError(`${program}: ${tmp}: fcntl(F_SETLK) failed (${strerror('EAGAIN')})`);
  }
  try {
    writeSync(fd, `${process.pid}\n`);
    renameSync(tmp, path);
  } catch (error) {
    rmSync(tmp, { force: true });
    throw new HeddleError(`${program}: ${tmp}: write failed: ${strerror(errnoOf(error))}`);
  }
  ours.add(path);
  removeAtExit(path);
}

/** The pid of the running process that has this pidfile. */
export function runningPid(path: string): number | undefined {
  if (ours.has(path)) return process.pid;
  let fd: number;
  try {
    fd = openSync(path, 'r+');
  } catch {
    return undefined;
  }
  try {
    return attempt((locks) => locks.holder(fd)) ?? holderInProc(fd) ?? unlockedPid(path, fd);
  } finally {
    closeSync(fd);
  }
}

/** undefined also where the addon that locks is not built. */
function attempt(run: (locks: FileLocks) => number | undefined): number | undefined {
  const locks = fileLocks();
  try {
    return locks && run(locks);
  } catch {
    return undefined;
  }
}

/** Whom /proc/locks shows: for a process that has no locks of its own to ask with. */
function holderInProc(fd: number): number | undefined {
  try {
    const { dev, ino } = fstatSync(fd);
    const hex = (n: number) => n.toString(16).padStart(2, '0');
    const major = (dev >>> 8) & 0xfff;
    const minor = (dev & 0xff) | ((dev >>> 12) & 0xfff00);
    const id = `${hex(major)}:${hex(minor)}:${ino}`;
    for (const line of readFileSync('/proc/locks', 'utf8').split('\n')) {
      const [, type, , , pid, file] = line.split(/\s+/);
      if (type === 'POSIX' && file === id) return Number(pid);
    }
  } catch {
    // No /proc: then the pid in the file must do.
  }
  return undefined;
}

/** For a daemon that could not lock its pidfile: the process must live and bear the name. */
function unlockedPid(path: string, fd: number): number | undefined {
  if (fileLocks() !== undefined) return undefined;
  const pid = Number.parseInt(readFileSync(fd, 'latin1'), 10);
  if (!(pid > 0) || pid === process.pid) return undefined;
  try {
    const comm = readFileSync(`/proc/${pid}/comm`, 'utf8').trim();
    return basename(path, '.pid').startsWith(comm) ? pid : undefined;
  } catch {
    return undefined;
  }
}
