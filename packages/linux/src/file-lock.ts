import type { FileLocks } from '@heddle/runtime';
import { syscall } from './native.ts';

const SYS_FCNTL = process.arch === 'arm64' ? 25 : 72;
const F_GETLK = 5;
const F_SETLK = 6;
const F_WRLCK = 1;
const F_UNLCK = 2;
/** struct flock on a 64-bit Linux: l_type 0, l_whence 2, l_start 8, l_len 16, l_pid 24. */
const FLOCK_BYTES = 32;

function flock(): DataView {
  const lock = new DataView(new ArrayBuffer(FLOCK_BYTES));
  lock.setInt16(0, F_WRLCK, true);
  return lock;
}

/** fcntl(2) locks, for `installFileLocks`. */
export const linuxFileLocks: FileLocks = {
  lock(fd) {
    return syscall(SYS_FCNTL, fd, F_SETLK, flock()) < 0 ? (this.holder(fd) ?? 0) : undefined;
  },
  holder(fd) {
    const lock = flock();
    if (syscall(SYS_FCNTL, fd, F_GETLK, lock) < 0) return undefined;
    return lock.getInt16(0, true) === F_UNLCK ? undefined : lock.getInt32(24, true);
  },
};
