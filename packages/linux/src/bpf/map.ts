/** BPF maps: values are plain bytes; layouts belong to the caller. */
import { closeSync, readFileSync } from 'node:fs';
import { mmap, munmap } from '../native.ts';
import {
  BPF_MAP_DELETE_ELEM,
  BPF_MAP_GET_NEXT_KEY,
  BPF_MAP_LOOKUP_ELEM,
  BPF_MAP_UPDATE_ELEM,
  BPF_OBJ_GET_INFO_BY_FD,
  BpfError,
  bpf,
  errnoName,
  pointer,
} from './syscall.ts';

const BPF_ANY = 0;

const BPF_MAP_TYPE_PERCPU_HASH = 5;
const BPF_MAP_TYPE_PERCPU_ARRAY = 6;
const ENOENT = -2;

let cpus = 0;

/** Number of possible CPUs, which is the number of values of a per-CPU element. */
export function possibleCpus(): number {
  if (cpus === 0) {
    const list = readFileSync('/sys/devices/system/cpu/possible', 'utf8').trim();
    cpus = Number(list.split(/[-,]/).at(-1)) + 1;
  }
  return cpus;
}

export interface MapInfo {
  readonly type: number;
  readonly keySize: number;
  readonly valueSize: number;
  readonly maxEntries: number;
}

export class BpfMap implements Disposable {
  readonly fd: number;
  readonly info: MapInfo;
  /** Bytes of an element as lookups return it: all CPUs' values for a per-CPU map. */
  readonly elementSize: number;
  readonly #key: Buffer;
  readonly #value: Buffer;
  readonly #attr = Buffer.alloc(32);
  #mapped: ArrayBuffer | undefined;

  constructor(fd: number) {
    this.fd = fd;
    this.info = mapInfo(fd);
    const { type, keySize, valueSize } = this.info;
    const perCpu = type === BPF_MAP_TYPE_PERCPU_ARRAY || type === BPF_MAP_TYPE_PERCPU_HASH;
    this.elementSize = perCpu ? ((valueSize + 7) & ~7) * possibleCpus() : valueSize;
    this.#key = Buffer.alloc(Math.max(keySize, 8));
    this.#value = Buffer.alloc(this.elementSize);
    this.#attr.writeUInt32LE(fd, 0);
    this.#attr.writeBigUInt64LE(pointer(this.#key), 8);
  }

  /** The value, in memory that the next call on this map overwrites; undefined when absent. */
  lookup(key: Uint8Array | number): Buffer | undefined {
    const r = this.#run(BPF_MAP_LOOKUP_ELEM, key, this.#value, 0);
    if (r === ENOENT) return undefined;
    this.#check('lookup', r);
    return this.#value;
  }

  update(key: Uint8Array | number, value: Uint8Array, flags = BPF_ANY): void {
    if (value.length !== this.elementSize)
      throw new RangeError(`value of ${value.length} bytes in a map of ${this.elementSize}`);
    this.#check('update', this.#run(BPF_MAP_UPDATE_ELEM, key, value, flags));
  }

  /** False when there was no such element. */
  delete(key: Uint8Array | number): boolean {
    const r = this.#run(BPF_MAP_DELETE_ELEM, key, undefined, 0);
    if (r === ENOENT) return false;
    this.#check('delete', r);
    return true;
  }

  /** All keys, each in memory of its own. Elements added meanwhile may or may not appear. */
  *keys(): Generator<Buffer> {
    const next = Buffer.alloc(this.#key.length);
    let key: Buffer | undefined;
    for (;;) {
      const r = this.#run(BPF_MAP_GET_NEXT_KEY, key, next, 0);
      if (r === ENOENT) return;
      this.#check('next key', r);
      key = Buffer.from(next.subarray(0, this.info.keySize));
      yield key;
    }
  }

  /** The memory of an array map made with BPF_F_MMAPABLE; elements lie 8-byte aligned. */
  memory(): ArrayBuffer {
    if (this.#mapped === undefined) {
      const bytes = ((this.info.valueSize + 7) & ~7) * this.info.maxEntries;
      this.#mapped = mmap(this.fd, (bytes + 4095) & ~4095, { write: true });
    }
    return this.#mapped;
  }

  [Symbol.dispose](): void {
    if (this.#mapped !== undefined) munmap(this.#mapped);
    this.#mapped = undefined;
    closeSync(this.fd);
  }

  #run(
    cmd: number,
    key: Uint8Array | number | undefined,
    value: Uint8Array | undefined,
    flags: number,
  ): number {
    const a = this.#attr;
    if (typeof key === 'number') this.#key.writeUInt32LE(key, 0);
    else if (key !== undefined) this.#key.set(key);
    a.writeBigUInt64LE(key === undefined ? 0n : pointer(this.#key), 8);
    a.writeBigUInt64LE(value === undefined ? 0n : pointer(value), 16);
    a.writeBigUInt64LE(BigInt(flags), 24);
    return bpf(cmd, a);
  }

  #check(what: string, r: number): void {
    if (r < 0) throw new BpfError(errnoName(-r), `BPF map ${what}`);
  }
}

function mapInfo(fd: number): MapInfo {
  const info = Buffer.alloc(80);
  const attr = Buffer.alloc(16);
  attr.writeUInt32LE(fd, 0);
  attr.writeUInt32LE(info.length, 4);
  attr.writeBigUInt64LE(pointer(info), 8);
  const r = bpf(BPF_OBJ_GET_INFO_BY_FD, attr);
  if (r < 0) throw new BpfError(errnoName(-r), 'BPF map info');
  return {
    type: info.readUInt32LE(0),
    keySize: info.readUInt32LE(8),
    valueSize: info.readUInt32LE(12),
    maxEntries: info.readUInt32LE(16),
  };
}
