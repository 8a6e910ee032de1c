/** BPF maps: values are plain bytes; layouts belong to the caller. */
import { closeSync, readFileSync } from 'node:fs';
import { addressOf, mmap, munmap } from '../native.ts';
import {
  BPF_MAP_CREATE,
  BPF_MAP_DELETE_ELEM,
  BPF_MAP_GET_NEXT_KEY,
  BPF_MAP_LOOKUP_BATCH,
  BPF_MAP_LOOKUP_ELEM,
  BPF_MAP_UPDATE_BATCH,
  BPF_MAP_UPDATE_ELEM,
  BPF_OBJ_GET_INFO_BY_FD,
  BpfError,
  bpf,
  errnoName,
  pointer,
} from './syscall.ts';

const BPF_MAP_TYPE_PERCPU_HASH = 5;
const BPF_MAP_TYPE_PERCPU_ARRAY = 6;
const ENOENT = -2;
const ENOSPC = -28;
const LOOKUP_BATCH = 512;

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
  readonly flags: number;
}

/** A map that nobody else knows of. */
export function createMap({ type, keySize, valueSize, maxEntries, flags }: MapInfo): BpfMap {
  const attr = Buffer.alloc(72);
  [type, keySize, valueSize, maxEntries, flags].forEach((word, i) => {
    attr.writeUInt32LE(word, 4 * i);
  });
  const fd = bpf(BPF_MAP_CREATE, attr);
  if (fd < 0) throw new BpfError(errnoName(-fd), 'BPF map create');
  return new BpfMap(fd);
}

export class BpfMap implements Disposable {
  readonly fd: number;
  readonly info: MapInfo;
  /** Bytes of an element as lookups return it: all CPUs' values for a per-CPU map. */
  readonly elementSize: number;
  readonly #key: Buffer;
  readonly #value: Buffer;
  readonly #attr = Buffer.alloc(32);
  readonly #keyPointer: bigint;
  readonly #valuePointer: bigint;
  #mapped: ArrayBuffer | undefined;

  constructor(fd: number) {
    this.fd = fd;
    this.info = mapInfo(fd);
    const { type, keySize, valueSize } = this.info;
    const perCpu = type === BPF_MAP_TYPE_PERCPU_ARRAY || type === BPF_MAP_TYPE_PERCPU_HASH;
    this.elementSize = perCpu ? ((valueSize + 7) & ~7) * possibleCpus() : valueSize;
    this.#key = Buffer.alloc(Math.max(keySize, 8));
    this.#value = Buffer.alloc(this.elementSize);
    this.#keyPointer = pointer(this.#key);
    this.#valuePointer = pointer(this.#value);
    this.#attr.writeUInt32LE(fd, 0);
  }

  /** The value, in memory that the next call on this map overwrites; undefined when absent. */
  lookup(key: Uint8Array | number): Buffer | undefined {
    const r = this.#run(BPF_MAP_LOOKUP_ELEM, key, this.#valuePointer);
    if (r === ENOENT) return undefined;
    this.#check('lookup', r);
    return this.#value;
  }

  /** `value` is copied; it may be what `lookup` returned. */
  update(key: Uint8Array | number, value: Uint8Array): void {
    if (value.length !== this.elementSize)
      throw new RangeError(`value of ${value.length} bytes in a map of ${this.elementSize}`);
    this.#value.set(value);
    this.#check('update', this.#run(BPF_MAP_UPDATE_ELEM, key, this.#valuePointer));
  }

  /** Room for `size` elements that are written to the map together. */
  batch(size: number): MapBatch {
    return new MapBatch(this, size);
  }

  /** False when there was no such element. */
  delete(key: Uint8Array | number): boolean {
    const r = this.#run(BPF_MAP_DELETE_ELEM, key, 0n);
    if (r === ENOENT) return false;
    this.#check('delete', r);
    return true;
  }

  /** All keys, each in memory of its own. Elements added meanwhile may or may not appear. */
  *keys(): Generator<Buffer> {
    const next = Buffer.alloc(this.#key.length);
    const nextPointer = pointer(next);
    let key: Buffer | undefined;
    for (;;) {
      const r = this.#run(BPF_MAP_GET_NEXT_KEY, key, nextPointer);
      if (r === ENOENT) return;
      this.#check('next key', r);
      key = Buffer.from(next.subarray(0, this.info.keySize));
      yield key;
    }
  }

  /**
   * All elements of a hash map, in memory that the next one may overwrite. Elements added or removed
   * meanwhile may or may not appear.
   */
  *entries(): Generator<{ key: Buffer; value: Buffer }> {
    const { keySize } = this.info;
    const size = this.elementSize;
    const scan = new MapScan(this);
    for (let n = scan.next(); n > 0; n = scan.next()) {
      const { keys, values } = scan;
      for (let i = 0; i < n; i++) {
        const key = keys.subarray(i * keySize, (i + 1) * keySize);
        yield { key, value: values.subarray(i * size, (i + 1) * size) };
      }
    }
  }

  /** A way through all elements of a hash map, some at a time. */
  scan(): MapScan {
    return new MapScan(this);
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

  #run(cmd: number, key: Uint8Array | number | undefined, value: bigint): number {
    const a = this.#attr;
    if (typeof key === 'number') this.#key.writeUInt32LE(key, 0);
    else if (key !== undefined) this.#key.set(key);
    a.writeBigUInt64LE(key === undefined ? 0n : this.#keyPointer, 8);
    a.writeBigUInt64LE(value, 16);
    return bpf(cmd, a);
  }

  #check(what: string, r: number): void {
    if (r < 0) throw new BpfError(errnoName(-r), `BPF map ${what}`);
  }
}

/** Elements in the order in which they are to be written; the owner fills `keys` and `values`. */
export class MapBatch {
  readonly keys: Uint32Array;
  readonly values: Uint32Array;
  readonly #attr = Buffer.alloc(56);
  readonly #keySize: number;
  readonly #valueSize: number;
  readonly #keysAt: bigint;
  readonly #valuesAt: bigint;

  constructor(map: BpfMap, size: number) {
    this.#keySize = map.info.keySize;
    this.#valueSize = map.info.valueSize;
    this.keys = new Uint32Array((size * this.#keySize) / 4);
    this.values = new Uint32Array((size * this.#valueSize) / 4);
    this.#keysAt = addressOf(this.keys);
    this.#valuesAt = addressOf(this.values);
    this.#attr.writeUInt32LE(map.fd, 36);
  }

  /** Writes elements `from` to `to`; returns how many, and the errno's name of the one after. */
  update(from: number, to: number): { done: number; code: string | undefined } {
    const a = this.#attr;
    a.writeBigUInt64LE(this.#keysAt + BigInt(from * this.#keySize), 16);
    a.writeBigUInt64LE(this.#valuesAt + BigInt(from * this.#valueSize), 24);
    a.writeUInt32LE(to - from, 32);
    const r = bpf(BPF_MAP_UPDATE_BATCH, a);
    return { done: a.readUInt32LE(32), code: r < 0 ? errnoName(-r) : undefined };
  }
}

/**
 * Elements of a hash map, some at a time, in the map's own order: `next` says how many there are now
 * in `keys` and `values`. Elements added or removed meanwhile may or may not appear.
 */
export class MapScan {
  keys: Buffer = Buffer.alloc(0);
  values: Buffer = Buffer.alloc(0);
  readonly #keySize: number;
  readonly #valueSize: number;
  readonly #attr = Buffer.alloc(56);
  readonly #token = Buffer.alloc(8);
  #room = 0;
  #done = false;

  constructor(map: BpfMap) {
    this.#keySize = map.info.keySize;
    this.#valueSize = map.elementSize;
    this.#attr.writeBigUInt64LE(pointer(this.#token), 8);
    this.#attr.writeUInt32LE(map.fd, 36);
    this.#grow(LOOKUP_BATCH);
  }

  /** 0 at the end. */
  next(): number {
    const a = this.#attr;
    while (!this.#done) {
      a.writeUInt32LE(this.#room, 32);
      const r = bpf(BPF_MAP_LOOKUP_BATCH, a);
      // A call takes whole buckets: one that is fuller asks for more room.
      if (r === ENOSPC) {
        this.#grow(2 * this.#room);
        continue;
      }
      this.#done = r === ENOENT;
      if (r < 0 && !this.#done) throw new BpfError(errnoName(-r), 'BPF map lookup batch');
      a.writeBigUInt64LE(pointer(this.#token), 0);
      const n = a.readUInt32LE(32);
      if (n > 0) return n;
    }
    return 0;
  }

  #grow(room: number): void {
    this.#room = room;
    this.keys = Buffer.alloc(room * this.#keySize);
    this.values = Buffer.alloc(room * this.#valueSize);
    this.#attr.writeBigUInt64LE(pointer(this.keys), 16);
    this.#attr.writeBigUInt64LE(pointer(this.values), 24);
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
    flags: info.readUInt32LE(20),
  };
}
