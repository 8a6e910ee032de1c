/** Tap devices (linux/if_tun.h). */
import { closeSync, openSync } from 'node:fs';
import { HeddleError } from '@heddle/runtime/errors';
import { check, syscall } from './native.ts';
import { Fd, ioctl } from './socket.ts';
import { SYS } from './syscalls.ts';

const TUNSETIFF = 0x400454ca;
const TUNSETOFFLOAD = 0x400454d0;
const TUNSETPERSIST = 0x400454cb;
const IFF_TAP = 0x2;
const IFF_NO_PI = 0x1000;
const IFF_VNET_HDR = 0x4000;
const O_RDWR_NONBLOCK = 0o4002;
const IFNAMSIZ = 16;

/** struct ifreq with the name filled in. */
export function ifreq(name: string): Buffer {
  const request = Buffer.alloc(40);
  if (Buffer.byteLength(name) >= IFNAMSIZ) throw new HeddleError(`${name}: name too long`);
  request.write(name, 0);
  return request;
}

/** One queue of a tap in the calling thread's namespace; unless persistent, it goes with `fd`. */
export class Tap implements Disposable {
  readonly fd: Fd;
  readonly name: string;

  /** Makes `name`, or takes hold of it if it is a persistent tap. */
  constructor(name: string, options: { vnetHdr?: boolean } = {}) {
    const request = ifreq(name);
    this.fd = new Fd(openSync('/dev/net/tun', O_RDWR_NONBLOCK));
    const flags = IFF_TAP | IFF_NO_PI | (options.vnetHdr ? IFF_VNET_HDR : 0);
    request.writeUInt16LE(flags, IFNAMSIZ);
    try {
      check(ioctl(this.fd.number, TUNSETIFF, request), `tap ${name}`);
    } catch (error) {
      this.fd.close();
      throw error;
    }
    this.name = request.toString('latin1', 0, request.indexOf(0));
  }

  /** Whether the device outlives its descriptor. */
  persist(keep: boolean): this {
    // The argument is the value itself: it travels as a number, not as a pointer.
    check(ioctlValue(this.fd.number, TUNSETPERSIST, keep ? 1 : 0), `persist ${this.name}`);
    return this;
  }

  /** What the kernel may leave undone in frames that it hands over: TUN_F_* bits. */
  offload(features: number): this {
    check(ioctlValue(this.fd.number, TUNSETOFFLOAD, features), `offload ${this.name}`);
    return this;
  }

  close(): void {
    this.fd.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** Whether taps can be made here. */
export function tapSupported(): boolean {
  try {
    closeSync(openSync('/dev/net/tun', O_RDWR_NONBLOCK));
    return true;
  } catch {
    return false;
  }
}

function ioctlValue(fd: number, request: number, value: number): number {
  return syscall(SYS.ioctl, fd, request, value);
}
