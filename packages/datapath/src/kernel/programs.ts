/** The loaded programs and maps of one instance, and their pins under its directory. */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, rmdirSync, unlinkSync } from 'node:fs';
import { release } from 'node:os';
import { join } from 'node:path';
import { BpfMap, ensureBpffs, getPinned, loadLightSkeleton, pin } from '@heddle/linux/bpf/index';
import { SystemError } from '@heddle/runtime';
import { DATAPATH_BLOB } from './generated/datapath-blob.ts';
import { ABI_VERSION, NOTE_BYTES, RODATA } from './layout.ts';
import { isDead, removeLinks } from './links.ts';

export interface Sizes {
  readonly flows: number;
  readonly ports: number;
  readonly chunks: number;
  readonly userdatas: number;
  readonly ringBytes: number;
  /** Connections tracked, and as many translated ones among them. */
  readonly connections: number;
}

export const DEFAULT_SIZES: Sizes = {
  flows: 262144,
  ports: 4096,
  chunks: 2048,
  userdatas: 65536,
  ringBytes: 16 << 20,
  connections: 1 << 20,
};

/** Kept in the notes map as JSON: what a later daemon must know before it trusts the other maps. */
export interface Notes {
  readonly abi: number;
  readonly blob: string;
  readonly hashMask: readonly [hi: number, lo: number];
  readonly dropReasons: readonly string[];
}

export interface Programs {
  readonly maps: Readonly<Record<string, BpfMap>>;
  /** Descriptors. */
  readonly programs: Readonly<Record<string, number>>;
}

const MAPS = DATAPATH_BLOB.maps.filter((m) => m !== 'rodata');

let knownHash: string | undefined;

export function blobHash(): string {
  knownHash ??= createHash('sha256')
    .update(DATAPATH_BLOB.data)
    .update(DATAPATH_BLOB.insns)
    .digest('hex');
  return knownHash;
}

/** kfuncs that read offload state came with Linux 6.2. */
export function kernelHasKfuncs(version = release()): boolean {
  return kernelIsAtLeast(6, 2, version);
}

export function kernelIsAtLeast(major: number, minor: number, version = release()): boolean {
  const [x = 0, y = 0] = version.split('.').map((part) => Number.parseInt(part, 10));
  return x > major || (x === major && y >= minor);
}

/** BPF_FIB_LOOKUP_SRC and _MARK, where the kernel knows them. */
function fibFlags(): number {
  return (kernelIsAtLeast(6, 7) ? 1 << 4 : 0) | (kernelIsAtLeast(6, 10) ? 1 << 5 : 0);
}

export function loadPrograms(
  sizes: Sizes,
  hashMask: readonly [number, number],
  kfuncs = kernelHasKfuncs(),
): Programs {
  const loaded = loadLightSkeleton(DATAPATH_BLOB, {
    maxEntries: {
      flows: sizes.flows,
      flow_stats: sizes.flows,
      ports: sizes.ports,
      port_notes: sizes.ports,
      port_stats: sizes.ports,
      quotas: sizes.ports,
      chunks: sizes.chunks,
      userdatas: sizes.userdatas,
      upcalls: sizes.ringBytes,
      cts: sizes.connections,
      ct_aliases: sizes.connections,
      ct_parents: sizes.connections,
    },
    patch: {
      rodata: (value) => {
        value.writeUInt32LE(hashMask[1] >>> 0, RODATA.hashMask);
        value.writeUInt32LE(hashMask[0] >>> 0, RODATA.hashMask + 4);
        value.writeUInt32LE(sizes.ringBytes, RODATA.ringBytes);
        value.writeUInt32LE(kfuncs ? 1 : 0, RODATA.haveKfuncs);
        value.writeUInt32LE(fibFlags(), RODATA.fibFlags);
        value.writeUInt32LE(kernelIsAtLeast(6, 3) ? 1 : 0, RODATA.decapFlags);
      },
    },
  });
  const maps = Object.fromEntries(MAPS.map((m) => [m, new BpfMap(loaded.maps[m]!)]));
  const programs = { ...loaded.programs };
  return { maps, programs };
}

/** What an earlier daemon pinned; undefined when there is nothing or only a part of it. */
export function openPinned(dir: string): Programs | undefined {
  if (!existsSync(join(dir, 'complete_map_notes'))) return undefined;
  try {
    const maps = Object.fromEntries(
      MAPS.map((m) => [m, new BpfMap(getPinned(join(dir, pinName('map', m))))]),
    );
    const programs = Object.fromEntries(
      DATAPATH_BLOB.programs.map((p) => [p, getPinned(join(dir, `prog_${p}`))]),
    );
    return { maps, programs };
  } catch (e) {
    if (e instanceof SystemError) return undefined;
    throw e;
  }
}

/** The notes are pinned last, under a name that says so: without them nothing is adopted. */
function pinName(kind: string, name: string): string {
  return name === 'notes' ? 'complete_map_notes' : `${kind}_${name}`;
}

export function pinPrograms(p: Programs, dir: string): void {
  ensureBpffs();
  removePins(dir);
  mkdirSync(join(dir, 'links'), { recursive: true });
  for (const [name, fd] of Object.entries(p.programs)) pin(fd, join(dir, `prog_${name}`));
  const ordered = MAPS.filter((m) => m !== 'notes');
  for (const m of [...ordered, 'notes']) pin(p.maps[m]!.fd, join(dir, pinName('map', m)));
}

/** Removes pins of maps and programs; links stay unless `links`. */
export function removePins(dir: string, links = false): void {
  if (!existsSync(dir)) return;
  for (const name of readdirSync(dir)) if (name !== 'links') unlinkSync(join(dir, name));
  if (!links) return;
  removeLinks(dir);
  rmdirSync(dir);
}

/** Removes what instances left whose network namespace is no more: nobody could ever adopt it. */
export function removeDead(root: string, except: string): void {
  if (!existsSync(root)) return;
  for (const name of readdirSync(root)) {
    const dir = join(root, name);
    try {
      if (name !== except && isDead(join(dir, 'links'), 'inject')) removePins(dir, true);
    } catch (e) {
      // Another switch that starts at this moment removes it, too.
      if ((e as NodeJS.ErrnoException).code !== 'ENOENT') throw e;
    }
  }
}

export function writeNotes(p: Programs, notes: Notes): void {
  const text = Buffer.from(JSON.stringify(notes));
  if (text.length > NOTE_BYTES - 4) throw new SystemError('E2BIG', 'notes');
  const value = Buffer.alloc(NOTE_BYTES);
  value.writeUInt32LE(text.length, 0);
  value.set(text, 4);
  p.maps['notes']!.update(0, value);
}

/** Undefined when they were written by something that speaks another ABI. */
export function readNotes(p: Programs): Notes | undefined {
  const value = p.maps['notes']!.lookup(0)!;
  const length = value.readUInt32LE(0);
  if (length === 0 || length > NOTE_BYTES - 4) return undefined;
  const notes = JSON.parse(value.toString('utf8', 4, 4 + length)) as Notes;
  return notes.abi === ABI_VERSION ? notes : undefined;
}
