/**
 * Loads a light skeleton (`bpftool gen skeleton -L`): a BPF_PROG_TYPE_SYSCALL program that creates
 * maps, relocates and loads programs from within the kernel. Nothing but bpf(2) is needed. The
 * context's layout is libbpf's tools/lib/bpf/skel_internal.h.
 */
import { closeSync } from 'node:fs';
import { constants } from 'node:os';
import { check, syscall } from '../native.ts';
import { SYS } from '../syscalls.ts';
import {
  BPF_MAP_CREATE,
  BPF_MAP_UPDATE_ELEM,
  BPF_PROG_LOAD,
  BPF_PROG_TEST_RUN,
  BpfError,
  bpf,
  errnoName,
  pointer,
} from './syscall.ts';

export interface LightSkeleton {
  readonly maps: readonly string[];
  readonly programs: readonly string[];
  /** Base64: the loader's data, its instructions, and initial values of maps. */
  readonly data: string;
  readonly insns: string;
  readonly initial: Readonly<Record<string, string>>;
}

export interface LoadOptions {
  readonly maxEntries?: Readonly<Record<string, number>>;
  /** Changes the initial value of a map before it is loaded (and frozen, for rodata). */
  readonly patch?: Readonly<Record<string, (value: Buffer) => void>>;
}

export interface LoadedSkeleton {
  readonly maps: Readonly<Record<string, number>>;
  readonly programs: Readonly<Record<string, number>>;
}

const BPF_MAP_TYPE_ARRAY = 2;
const BPF_PROG_TYPE_SYSCALL = 31;
const BPF_F_SLEEPABLE = 1 << 4;
const CTX_BYTES = 24;
const MAP_DESC_BYTES = 16;
const PROG_DESC_BYTES = 4;
const LOG_BYTES = 16 << 20;
const EAGAIN_TRIES = 10;
const NOTHING: LoadedSkeleton = { maps: {}, programs: {} };
const SIG_SETMASK = 2;
const SIGSET_BYTES = 8;
const LOG_TAIL_LINES = 12;

/** Throws a BpfError with the end of the verifier's log when a program is refused. */
export function loadLightSkeleton(s: LightSkeleton, options: LoadOptions = {}): LoadedSkeleton {
  return withoutSignals(() => load(s, options));
}

/** The verifier gives up on a pending signal, such as that of a child that ended or a profiler's. */
function withoutSignals<T>(f: () => T): T {
  const all = Buffer.alloc(SIGSET_BYTES, 0xff);
  const before = Buffer.alloc(SIGSET_BYTES);
  check(syscall(SYS.rt_sigprocmask, SIG_SETMASK, all, before, SIGSET_BYTES), 'rt_sigprocmask');
  try {
    return f();
  } finally {
    check(syscall(SYS.rt_sigprocmask, SIG_SETMASK, before, null, SIGSET_BYTES), 'rt_sigprocmask');
  }
}

function load(s: LightSkeleton, options: LoadOptions): LoadedSkeleton {
  let attempt = runLoader(s, options, undefined);
  // The kernel has more ways of interrupting a thread than signals.
  for (let i = 0; i < EAGAIN_TRIES && attempt.error === constants.errno.EAGAIN; i++)
    attempt = runLoader(s, options, undefined);
  if (attempt.error !== undefined) {
    const log = Buffer.alloc(LOG_BYTES);
    attempt = runLoader(s, options, log);
    if (attempt.error !== undefined) throw loadError(attempt.error, log);
  }
  return attempt.loaded;
}

function loadError(errno: number, log: Buffer): BpfError {
  const end = log.indexOf(0);
  const lines = log
    .toString('utf8', 0, end < 0 ? log.length : end)
    .trimEnd()
    .split('\n');
  const tail = lines.slice(-LOG_TAIL_LINES).join('\n');
  return new BpfError(errnoName(errno), 'loading BPF programs', tail);
}

interface Attempt {
  readonly error: number | undefined;
  readonly loaded: LoadedSkeleton;
}

function runLoader(s: LightSkeleton, options: LoadOptions, log: Buffer | undefined): Attempt {
  const { ctx, size, keep } = makeContext(s, options, log);
  const map = loaderMap(Buffer.from(s.data, 'base64'));
  let prog = -1;
  try {
    prog = loaderProgram(Buffer.from(s.insns, 'base64'), map);
    if (prog === -constants.errno.EAGAIN) return { error: -prog, loaded: NOTHING };
    checked('BPF_PROG_LOAD', prog);
    const attr = Buffer.alloc(80);
    attr.writeUInt32LE(prog, 0);
    attr.writeUInt32LE(size, 40);
    attr.writeBigUInt64LE(pointer(ctx), 48);
    const r = bpf(BPF_PROG_TEST_RUN, attr);
    const result = r < 0 ? r : attr.readInt32LE(4);
    keep.length = 0;
    return { error: result < 0 ? -result : undefined, loaded: readFds(s, ctx) };
  } finally {
    closeSync(map);
    if (prog >= 0) closeSync(prog);
  }
}

function makeContext(s: LightSkeleton, options: LoadOptions, log: Buffer | undefined) {
  const size = CTX_BYTES + MAP_DESC_BYTES * s.maps.length + PROG_DESC_BYTES * s.programs.length;
  const ctx = Buffer.alloc((size + 7) & ~7);
  const keep: Buffer[] = [];
  ctx.writeUInt32LE(size, 0);
  if (log !== undefined) {
    ctx.writeUInt32LE(1, 8);
    ctx.writeUInt32LE(log.length, 12);
    ctx.writeBigUInt64LE(pointer(log), 16);
  }
  s.maps.forEach((name, i) => {
    const at = CTX_BYTES + MAP_DESC_BYTES * i;
    ctx.writeUInt32LE(options.maxEntries?.[name] ?? 0, at + 4);
    const initial = s.initial[name];
    if (initial === undefined) return;
    const value = Buffer.from(initial, 'base64');
    options.patch?.[name]?.(value);
    keep.push(value);
    ctx.writeBigUInt64LE(pointer(value), at + 8);
  });
  return { ctx, size, keep };
}

function readFds(s: LightSkeleton, ctx: Buffer): LoadedSkeleton {
  const maps: Record<string, number> = {};
  const programs: Record<string, number> = {};
  s.maps.forEach((name, i) => {
    maps[name] = ctx.readInt32LE(CTX_BYTES + MAP_DESC_BYTES * i);
  });
  const base = CTX_BYTES + MAP_DESC_BYTES * s.maps.length;
  s.programs.forEach((name, i) => {
    programs[name] = ctx.readInt32LE(base + PROG_DESC_BYTES * i);
  });
  return { maps, programs };
}

function checked(what: string, r: number): number {
  if (r < 0) throw new BpfError(errnoName(-r), what);
  return r;
}

/** The data of the loader lives in an array map with one element. */
function loaderMap(data: Buffer): number {
  const create = Buffer.alloc(72);
  create.writeUInt32LE(BPF_MAP_TYPE_ARRAY, 0);
  create.writeUInt32LE(4, 4);
  create.writeUInt32LE(data.length, 8);
  create.writeUInt32LE(1, 12);
  create.write('__loader.map', 28);
  const fd = checked('BPF_MAP_CREATE', bpf(BPF_MAP_CREATE, create));
  const key = Buffer.alloc(4);
  const update = Buffer.alloc(32);
  update.writeUInt32LE(fd, 0);
  update.writeBigUInt64LE(pointer(key), 8);
  update.writeBigUInt64LE(pointer(data), 16);
  checked('BPF_MAP_UPDATE_ELEM', bpf(BPF_MAP_UPDATE_ELEM, update));
  return fd;
}

/** A descriptor or a negative errno. */
function loaderProgram(insns: Buffer, map: number): number {
  const license = Buffer.from('Dual BSD/GPL\0');
  const fds = Buffer.alloc(8);
  fds.writeInt32LE(map, 0);
  const attr = Buffer.alloc(128);
  attr.writeUInt32LE(BPF_PROG_TYPE_SYSCALL, 0);
  attr.writeUInt32LE(insns.length / 8, 4);
  attr.writeBigUInt64LE(pointer(insns), 8);
  attr.writeBigUInt64LE(pointer(license), 16);
  attr.writeUInt32LE(BPF_F_SLEEPABLE, 44);
  attr.write('__loader.prog', 48);
  attr.writeBigUInt64LE(pointer(fds), 120);
  return bpf(BPF_PROG_LOAD, attr);
}
