/** What bpf(2) allows here, found out by asking it. */
import { closeSync } from 'node:fs';
import { attachTcx } from '@heddle/linux/bpf/objects';
import {
  BPF_MAP_CREATE,
  BPF_OBJ_GET_INFO_BY_FD,
  BPF_PROG_LOAD,
  bpf,
  errnoName,
  pointer,
} from '@heddle/linux/bpf/syscall';
import { errnoOf, messageOf } from '@heddle/runtime';

export interface BpfFacts {
  /** Undefined: usable. Else why not: an errno's name, or the text of what failed before. */
  readonly mapError: string | undefined;
  readonly programError: string | undefined;
  readonly tcx: boolean;
}

export function bpfFacts(): BpfFacts {
  try {
    const map = createArray();
    if (map < 0) return failed(errnoName(-map));
    closeSync(map);
    return probeProgram();
  } catch (error) {
    return failed(messageOf(error));
  }
}

function failed(reason: string): BpfFacts {
  return { mapError: reason, programError: reason, tcx: false };
}

function createArray(): number {
  const attr = Buffer.alloc(72);
  const words = [2 /* BPF_MAP_TYPE_ARRAY */, 4, 4, 1];
  for (const [index, word] of words.entries()) attr.writeUInt32LE(word, index * 4);
  return bpf(BPF_MAP_CREATE, attr);
}

const BPF_PROG_TYPE_SCHED_CLS = 3;
/** `r0 = 0; exit`. */
const RETURN_0 = Buffer.from('b7000000000000009500000000000000', 'hex');

function probeProgram(): BpfFacts {
  const license = Buffer.from('GPL\0');
  const attr = Buffer.alloc(128);
  attr.writeUInt32LE(BPF_PROG_TYPE_SCHED_CLS, 0);
  attr.writeUInt32LE(RETURN_0.length / 8, 4);
  attr.writeBigUInt64LE(pointer(RETURN_0), 8);
  attr.writeBigUInt64LE(pointer(license), 16);
  const program = bpf(BPF_PROG_LOAD, attr);
  if (program < 0) {
    return { mapError: undefined, programError: errnoName(-program), tcx: false };
  }
  try {
    return { mapError: undefined, programError: undefined, tcx: probeTcx(program) };
  } finally {
    closeSync(program);
  }
}

/** No device has index 0x7fffffff: ENODEV shows that the attach type itself is known. */
function probeTcx(program: number): boolean {
  try {
    closeSync(attachTcx(program, 0x7fff_ffff));
    return true;
  } catch (error) {
    return errnoOf(error) === 'ENODEV';
  }
}

const BPF_PROG_GET_FD_BY_ID = 13;
const BPF_PROG_QUERY = 16;
const BPF_TCX_INGRESS = 46;
const MAX_PROGRAMS = 64;

/** Names of the programs that TCX runs at a device's ingress, in their order. */
export function tcxPrograms(ifindex: number): string[] {
  const ids = Buffer.alloc(4 * MAX_PROGRAMS);
  const attr = Buffer.alloc(64);
  attr.writeUInt32LE(ifindex, 0);
  attr.writeUInt32LE(BPF_TCX_INGRESS, 4);
  attr.writeBigUInt64LE(pointer(ids), 16);
  attr.writeUInt32LE(MAX_PROGRAMS, 24);
  if (bpf(BPF_PROG_QUERY, attr) < 0) return [];
  const count = Math.min(attr.readUInt32LE(24), MAX_PROGRAMS);
  return Array.from({ length: count }, (_, n) => programName(ids.readUInt32LE(4 * n)));
}

/** Of struct bpf_prog_info: 16 bytes of name at 64. */
const INFO_NAME = 64;

function programName(id: number): string {
  const byId = Buffer.alloc(16);
  byId.writeUInt32LE(id, 0);
  const fd = bpf(BPF_PROG_GET_FD_BY_ID, byId);
  if (fd < 0) return `program ${id}`;
  try {
    const info = Buffer.alloc(128);
    const attr = Buffer.alloc(16);
    attr.writeUInt32LE(fd, 0);
    attr.writeUInt32LE(info.length, 4);
    attr.writeBigUInt64LE(pointer(info), 8);
    if (bpf(BPF_OBJ_GET_INFO_BY_FD, attr) < 0) return `program ${id}`;
    return info.toString('latin1', INFO_NAME, info.indexOf(0, INFO_NAME)) || `program ${id}`;
  } finally {
    closeSync(fd);
  }
}
