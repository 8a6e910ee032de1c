/**
 * The native addon, typed. Everything that speaks to the kernel goes through here; results below
 * zero are negative errno values, as the kernel's own.
 */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { constants } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { HeddleError, SystemError } from '@heddle/runtime/errors';
import type { RecordWriter } from '@heddle/runtime/record-writer';
import { SYS } from './syscalls.ts';

/** What a system call takes: views become pointers, null becomes 0. */
export type SyscallArg = number | bigint | ArrayBufferView | ArrayBufferLike | null;

declare const handle: unique symbol;
/** A handle of the addon. */
interface Handle<Kind extends string> {
  readonly [handle]: Kind;
}

interface Addon {
  syscall(nr: number, ...args: SyscallArg[]): number;
  addressOf(view: ArrayBufferView | ArrayBufferLike): bigint;
  mmap(
    fd: number,
    length: number,
    prot: number,
    flags: number,
    offset: number,
  ): ArrayBuffer | number;
  munmap(buffer: ArrayBuffer): number;
  watch(
    fd: number,
    events: number,
    callback: (events: number, status: number) => void,
  ): Handle<'watch'> | number;
  unwatch(watch: Handle<'watch'>): number;
  watchRef(watch: Handle<'watch'>, keepAlive: boolean): number;
  ringOpen(fd: number, size: number): Handle<'ring'> | number;
  ringRead(ring: Handle<'ring'>, out: Uint8Array, max: number): number;
  sendBatch(fd: number, batch: Uint8Array, count: number, result: Int32Array): number;
  recvBatch(fd: number, out: Uint8Array, max: number, snap: number, vnet: boolean): number;
  tapSend(fd: number, batch: Uint8Array, count: number, result: Int32Array): number;
  tapRecv(fd: number, out: Uint8Array, max: number, snap: number): number;
  sendNow(fd: number, data: string | Uint8Array): number;
  sendEach(fds: Int32Array, count: number, data: string | Uint8Array, sent: Int32Array): number;
  attend(
    fd: number,
    callback: (data: string | Buffer, dubious: boolean) => void,
  ): Handle<'attend'> | number;
  unattend(attended: Handle<'attend'>): number;
  writeRecord: RecordWriter;
}

let loaded: Addon | undefined;

function addon(): Addon {
  if (!loaded) loaded = load();
  return loaded;
}

/** Sources lie in packages/linux/src, bundles in dist: both find the addon from their own place. */
function load(): Addon {
  const here = dirname(fileURLToPath(import.meta.url));
  const places = [
    process.env['HEDDLE_ADDON'],
    join(here, '../build/heddle.node'),
    join(here, 'heddle.node'),
    join(here, '../packages/linux/build/heddle.node'),
    join(here, '../../packages/linux/build/heddle.node'),
  ];
  const path = places.find((p) => p !== undefined && existsSync(p));
  if (path === undefined) {
    throw new HeddleError(
      "the native addon is not built: run 'npm run build' (it needs a C compiler)",
    );
  }
  return createRequire(import.meta.url)(path) as Addon;
}

/** Of asm-generic/errno.h, what Node does not list and network code of the kernel returns. */
const UNLISTED = { ENOTUNIQ: 76, EBADFD: 77, EUSERS: 87, ESHUTDOWN: 108, EHOSTDOWN: 112 };

const NAMES = new Map<number, string>(
  // Node lists aliases, too: EWOULDBLOCK after EAGAIN, EOPNOTSUPP after ENOTSUP.
  Object.entries({ ...UNLISTED, ...constants.errno })
    .filter(([name]) => name !== 'EWOULDBLOCK' && name !== 'ENOTSUP')
    .map(([name, value]) => [value, name]),
);

// Of two names for one number the one that glibc's and the kernel's messages use.
NAMES.set(constants.errno.EAGAIN, 'EAGAIN').set(constants.errno.EOPNOTSUPP, 'EOPNOTSUPP');

/** `ENOENT` for 2; `E12345` for a number that has no name. */
export function errnoName(errno: number): string {
  return NAMES.get(Math.abs(errno)) ?? `E${Math.abs(errno)}`;
}

/** Turns a negative result into a SystemError that says what failed. */
export function check(result: number, what: string): number {
  if (result < 0) throw new SystemError(errnoName(result), what);
  return result;
}

/** The result or -errno. Blocks the thread: only for calls that return at once. */
export function syscall(nr: number, ...args: SyscallArg[]): number {
  return addon().syscall(nr, ...args);
}

/** Stable for the life of the buffer, which the caller keeps reachable. */
export function addressOf(view: ArrayBufferView | ArrayBufferLike): bigint {
  return addon().addressOf(view);
}

const PROT_READ = 1;
const PROT_WRITE = 2;
const MAP_SHARED = 1;

/** Maps `length` bytes of `fd`, shared. */
export function mmap(
  fd: number,
  length: number,
  options: { write?: boolean; offset?: number } = {},
): ArrayBuffer {
  const prot = options.write ? PROT_READ | PROT_WRITE : PROT_READ;
  const mapped = addon().mmap(fd, length, prot, MAP_SHARED, options.offset ?? 0);
  if (typeof mapped === 'number') throw new SystemError(errnoName(mapped), 'mmap');
  return mapped;
}

/** Gives the mapping back: zeros are left in the buffer. */
export function munmap(buffer: ArrayBuffer): void {
  check(addon().munmap(buffer), 'munmap');
}

/** A NUL-terminated copy for the kernel. */
export function cString(text: string): Buffer {
  return Buffer.from(`${text}\0`);
}

/** mount(2): 0 or -errno. */
export function mountFs(source: string, target: string, type: string, flags = 0): number {
  const fsType = type === '' ? null : cString(type);
  return syscall(SYS.mount, cString(source), cString(target), fsType, flags, null);
}

const UV_READABLE = 1;
const UV_WRITABLE = 2;

/** Calls back, level-triggered, while a file descriptor is ready. */
export class FdWatcher implements Disposable {
  #watch: Handle<'watch'> | undefined;

  constructor(
    fd: number,
    callback: (ready: { readable: boolean; writable: boolean }) => void,
    events: { readable?: boolean; writable?: boolean } = { readable: true },
  ) {
    const bits = (events.readable ? UV_READABLE : 0) | (events.writable ? UV_WRITABLE : 0);
    const watch = addon().watch(fd, bits, (ready, status) =>
      callback({
        readable: status < 0 || (ready & UV_READABLE) !== 0,
        writable: status < 0 || (ready & UV_WRITABLE) !== 0,
      }),
    );
    if (typeof watch === 'number') throw new SystemError(errnoName(watch), `watch fd ${fd}`);
    this.#watch = watch;
  }

  /** Whether the watcher keeps the process running (it does until told otherwise). */
  keepAlive(keep: boolean): this {
    if (this.#watch) addon().watchRef(this.#watch, keep);
    return this;
  }

  close(): void {
    if (this.#watch) addon().unwatch(this.#watch);
    this.#watch = undefined;
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** The consumer's end of a BPF_MAP_TYPE_RINGBUF; `size` is its max_entries in bytes. */
export class RingBuffer {
  readonly #ring: Handle<'ring'>;

  constructor(fd: number, size: number) {
    const ring = addon().ringOpen(fd, size);
    if (typeof ring === 'number') throw new SystemError(errnoName(ring), 'map ring buffer');
    this.#ring = ring;
  }

  /**
   * Copies up to `max` records to `out`, each as u32 length, u32 0, then its bytes padded to 8.
   * Returns the number of bytes written; 0 when nothing is ready.
   */
  read(out: Uint8Array, max: number): number {
    return check(addon().ringRead(this.#ring, out, max), 'read ring buffer');
  }
}

/** Bytes before each packet of a batch for `sendBatch`: see `struct send_record`. */
export const SEND_HEADER_BYTES = 24;
/** Bytes before each packet that `recvBatch` returns: see `struct recv_record`. */
export const RECV_HEADER_BYTES = 32;

/**
 * Sends a batch through an AF_PACKET socket with PACKET_VNET_HDR. Each packet is {u32 length,
 * u32 mark (SO_MARK, 0 for none), virtio_net_hdr (10 bytes), 6 bytes of padding}, then its bytes
 * padded to 8. `result` gets [packets sent, errno of the last that was not, or 0].
 */
export function sendBatch(fd: number, batch: Uint8Array, count: number, result: Int32Array): void {
  check(addon().sendBatch(fd, batch, count, result), 'sendmmsg');
}

/**
 * Receives what is there, at most `max` packets of at most `snap` (a multiple of 8) bytes, each in
 * RECV_HEADER_BYTES + snap bytes of `out`: {u32 captured, u32 length, u32 ifindex, u8 type,
 * u8 has_vlan, u16 tci, u16 tpid, 4 bytes, virtio_net_hdr}. Returns how many.
 */
export function recvBatch(
  fd: number,
  out: Uint8Array,
  max: number,
  snap: number,
  vnet: boolean,
): number {
  const n = addon().recvBatch(fd, out, max, snap, vnet);
  if (n === -constants.errno.EAGAIN || n === -constants.errno.EINTR) return 0;
  return check(n, 'recvmmsg');
}

/** As `sendBatch`, into a tap queue with IFF_VNET_HDR. Marks have no effect. */
export function tapSend(fd: number, batch: Uint8Array, count: number, result: Int32Array): void {
  check(addon().tapSend(fd, batch, count, result), 'write to tap');
}

/** As `recvBatch`, from a tap queue with IFF_VNET_HDR: there are no ifindex, type and tag. */
export function tapRecv(fd: number, out: Uint8Array, max: number, snap: number): number {
  const n = addon().tapRecv(fd, out, max, snap);
  if (n === -constants.errno.EAGAIN) return 0;
  return check(n, 'read from tap');
}

/** See `sendNow` of native/sockets.c. */
export function sendNow(fd: number, data: string | Uint8Array): number {
  return addon().sendNow(fd, data);
}

/** See `sendEach` of native/sockets.c. */
export function sendEach(
  fds: Int32Array,
  count: number,
  data: string | Uint8Array,
  sent: Int32Array,
): void {
  check(addon().sendEach(fds, count, data, sent), 'send');
}

/** See `attend` of native/sockets.c. Returns what ends it. */
export function attend(
  fd: number,
  received: (data: string | Buffer, dubious: boolean) => void,
): () => void {
  let attended: Handle<'attend'> | number | undefined = addon().attend(fd, received);
  if (typeof attended === 'number') throw new SystemError(errnoName(attended), `attend fd ${fd}`);
  return () => {
    if (typeof attended === 'object') addon().unattend(attended);
    attended = undefined;
  };
}

/** See `writeRecord` of native/records.c; throws SystemError, EMSGSIZE for what is more than 128 KiB in all. */
export const writeRecord: RecordWriter = (...args) => check(addon().writeRecord(...args), 'write');
