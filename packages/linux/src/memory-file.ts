/** Files without a name, in memory. */
import { ftruncateSync, readFileSync } from 'node:fs';
import { check, cString, syscall } from './native.ts';
import { Fd } from './socket.ts';
import { SYS } from './syscalls.ts';

const MFD_CLOEXEC = 1;
const AT_PAGESZ = 6n;
const DEFAULT_PAGE = 4096;

/** Of this machine in bytes, getauxval(3). */
export function pageSize(): number {
  const words = new BigUint64Array(Uint8Array.from(readFileSync('/proc/self/auxv')).buffer);
  for (let i = 0; i + 1 < words.length; i += 2) {
    if (words[i] === AT_PAGESZ) return Number(words[i + 1]);
  }
  return DEFAULT_PAGE;
}

/** `bytes` zeros that go with the last descriptor and mapping, memfd_create(2). */
export function memoryFile(name: string, bytes: number): Fd {
  const fd = new Fd(check(syscall(SYS.memfd_create, cString(name), MFD_CLOEXEC), 'memfd_create'));
  ftruncateSync(fd.number, bytes);
  return fd;
}
