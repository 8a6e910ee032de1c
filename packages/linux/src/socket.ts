/** Raw sockets by system calls, for the families that Node does not know. */
import { check, syscall } from './native.ts';
import { SYS } from './syscalls.ts';

export const SOCK_RAW = 3;
export const SOCK_DGRAM = 2;
const SOCK_CLOEXEC = 0o2000000;
const SOCK_NONBLOCK = 0o4000;

/** A file descriptor with an owner; closing twice is harmless. */
export class Fd implements Disposable {
  #fd: number;

  constructor(fd: number) {
    this.#fd = fd;
  }

  get number(): number {
    return this.#fd;
  }

  get closed(): boolean {
    return this.#fd < 0;
  }

  close(): void {
    if (this.#fd >= 0) syscall(SYS.close, this.#fd);
    this.#fd = -1;
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** A socket that neither blocks nor is inherited. */
export function socket(family: number, type: number, protocol: number): Fd {
  const flags = type | SOCK_CLOEXEC | SOCK_NONBLOCK;
  return new Fd(check(syscall(SYS.socket, family, flags, protocol), 'socket'));
}

export function bind(fd: Fd, address: Uint8Array): void {
  check(syscall(SYS.bind, fd.number, address, address.length), 'bind');
}

export function setOption(fd: Fd, level: number, option: number, value: number | Uint8Array): void {
  const data = typeof value === 'number' ? Int32Array.of(value) : value;
  const rc = syscall(SYS.setsockopt, fd.number, level, option, data, data.byteLength);
  check(rc, `setsockopt ${level}/${option}`);
}

export function ioctl(fd: number, request: number, argument: Uint8Array): number {
  return syscall(SYS.ioctl, fd, request, argument);
}
