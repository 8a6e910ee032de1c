/** Pins, links and test runs of BPF programs. */
import { existsSync, mkdirSync, statfsSync } from 'node:fs';
import { syscall } from '../native.ts';
import {
  BPF_LINK_CREATE,
  BPF_LINK_UPDATE,
  BPF_OBJ_GET,
  BPF_OBJ_GET_INFO_BY_FD,
  BPF_OBJ_PIN,
  BPF_PROG_TEST_RUN,
  BpfError,
  bpf,
  errnoName,
  pointer,
} from './syscall.ts';

const SYS_MOUNT = process.arch === 'arm64' ? 40 : 165;
const BPF_TCX_INGRESS = 46;
const BPF_FS_MAGIC = 0xcafe4a11;

function cPath(path: string): Buffer {
  return Buffer.from(`${path}\0`);
}

function checked(what: string, r: number): number {
  if (r < 0) throw new BpfError(errnoName(-r), what);
  return r;
}

/** Makes sure that `dir` exists and lies on a BPF file system, mounting one when it is missing. */
export function ensureBpffs(dir = '/sys/fs/bpf'): void {
  if (!existsSync(dir)) mkdirSync(dir, { recursive: true });
  if (statfsSync(dir).type === BPF_FS_MAGIC) return;
  const kind = cPath('bpf');
  checked(`mounting bpffs on ${dir}`, syscall(SYS_MOUNT, kind, cPath(dir), kind, 0, null));
}

export function pin(fd: number, path: string): void {
  const name = cPath(path);
  const attr = Buffer.alloc(16);
  attr.writeBigUInt64LE(pointer(name), 0);
  attr.writeUInt32LE(fd, 8);
  checked(`pinning ${path}`, bpf(BPF_OBJ_PIN, attr));
}

/** A new descriptor of the pinned object; throws ENOENT. */
export function getPinned(path: string): number {
  const name = cPath(path);
  const attr = Buffer.alloc(16);
  attr.writeBigUInt64LE(pointer(name), 0);
  return checked(`opening ${path}`, bpf(BPF_OBJ_GET, attr));
}

/** Attaches at tc ingress of a device of the current namespace (Linux 6.6); EINVAL before. */
export function attachTcx(program: number, ifindex: number): number {
  const attr = Buffer.alloc(48);
  attr.writeUInt32LE(program, 0);
  attr.writeUInt32LE(ifindex, 4);
  attr.writeUInt32LE(BPF_TCX_INGRESS, 8);
  return checked(`attaching to device ${ifindex}`, bpf(BPF_LINK_CREATE, attr));
}

/** Replaces the program of a link without a gap. */
export function updateLink(link: number, program: number): void {
  const attr = Buffer.alloc(16);
  attr.writeUInt32LE(link, 0);
  attr.writeUInt32LE(program, 4);
  checked('updating a link', bpf(BPF_LINK_UPDATE, attr));
}

/** The device that a TCX link is attached to; 0 when that device is gone. */
export function linkIfindex(link: number): number {
  const info = Buffer.alloc(64);
  const attr = Buffer.alloc(16);
  attr.writeUInt32LE(link, 0);
  attr.writeUInt32LE(info.length, 4);
  attr.writeBigUInt64LE(pointer(info), 8);
  checked('link info', bpf(BPF_OBJ_GET_INFO_BY_FD, attr));
  return info.readUInt32LE(16);
}

export interface TestRun {
  readonly result: number;
  /** Mean over the repetitions. */
  readonly nanoseconds: number;
  /** The packet afterwards. */
  readonly data: Buffer;
}

/** BPF_PROG_TEST_RUN on a frame; `ctx` is a struct __sk_buff, or absent. */
export function progTestRun(
  program: number,
  packet: Uint8Array,
  options: { repeat?: number; ctx?: Uint8Array } = {},
): TestRun {
  const input = Buffer.from(packet);
  const output = Buffer.alloc(packet.length + 256);
  const attr = Buffer.alloc(80);
  attr.writeUInt32LE(program, 0);
  attr.writeUInt32LE(input.length, 8);
  attr.writeUInt32LE(output.length, 12);
  attr.writeBigUInt64LE(pointer(input), 16);
  attr.writeBigUInt64LE(pointer(output), 24);
  attr.writeUInt32LE(options.repeat ?? 1, 32);
  if (options.ctx !== undefined) {
    attr.writeUInt32LE(options.ctx.length, 40);
    attr.writeBigUInt64LE(pointer(options.ctx), 48);
  }
  checked('BPF_PROG_TEST_RUN', bpf(BPF_PROG_TEST_RUN, attr));
  return {
    result: attr.readUInt32LE(4),
    nanoseconds: attr.readUInt32LE(36),
    data: output.subarray(0, attr.readUInt32LE(12)),
  };
}
