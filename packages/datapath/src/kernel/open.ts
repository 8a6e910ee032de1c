/** Opens an instance's datapath: adopts what is pinned, replaces its programs, or starts afresh. */
import { createHash } from 'node:crypto';
import { closeSync } from 'node:fs';
import { join } from 'node:path';
import { flowUfid } from '../odp-ufid.ts';
import { COALESCE_LINK, Coalescer, SEGMENT_LINK } from './coalescer.ts';
import { CT_MEMORY, CT_TABLES, resetConntrack } from './ct-table.ts';
import { Devices } from './devices.ts';
import { Engine, nowMs } from './engine.ts';
import { Injection, LINK_NAME } from './injection.ts';
import { KernelDpif } from './kernel-dpif.ts';
import { STATE } from './layout.ts';
import { type AttachMode, Links } from './links.ts';
import { MeterTable } from './meter-table.ts';
import { netnsCookie } from './packet-socket.ts';
import { PortTable } from './port-table.ts';
import {
  blobHash,
  DEFAULT_SIZES,
  loadPrograms,
  openPinned,
  type Programs,
  pinPrograms,
  readNotes,
  removeDead,
  removePins,
  type Sizes,
} from './programs.ts';
import { KernelRehearsal } from './rehearsal.ts';
import { Underlay } from './underlay.ts';

export const PIN_ROOT = '/sys/fs/bpf/heddle';

export interface KernelDpifOptions {
  /** Names the datapath on this machine; see `instanceId`. */
  readonly instance: string;
  /** Where instances' pins lie; on a BPF file system. */
  readonly pinRoot?: string;
  readonly sizes?: Partial<Sizes>;
  /** Narrows the flow hash to force collisions: for tests. */
  readonly hashMask?: readonly [hi: number, lo: number];
  /** How to attach; `auto` takes TCX where the kernel has it. */
  readonly attach?: AttachMode;
  /** False: as on kernels before 6.2, which do not tell programs about offloads. For tests. */
  readonly kfuncs?: boolean;
  /** Replaces programs even when they are the same: for tests. */
  readonly forceUpgrade?: boolean;
}

/** An instance is a run directory within a network namespace: several may share a machine. */
export function instanceId(rundir: string): string {
  return createHash('sha256').update(`${rundir}\0${netnsCookie()}`).digest('hex').slice(0, 12);
}

const TUNNEL_MAPS = ['tunnels', 'locals', 'sources', 'tun_options'];

/** The datapath of the calling thread's network namespace. */
export async function openKernelDpif(options: KernelDpifOptions): Promise<KernelDpif> {
  const root = options.pinRoot ?? PIN_ROOT;
  const dir = join(root, options.instance);
  removeDead(root, options.instance);
  const devices = new Devices();
  try {
    devices.removeLeaving();
    const links = new Links(dir, devices.rtnl, options.attach);
    const { engine, adopted } = openEngine(dir, links, options);
    const injection = new Injection(engine, devices, options.instance, links);
    const meters = new MeterTable(engine.programs);
    const where = { instance: options.instance, now: nowMs, meters };
    const ports = new PortTable(engine.programs, devices, links, where);
    if (adopted) ports.adopt();
    const coalescer = new Coalescer(engine.programs, devices, links, options.instance);
    const underlay = new Underlay(engine.programs, devices, links, ports, coalescer);
    const { upcalls } = engine.programs.maps;
    return new KernelDpif({
      engine,
      ports,
      injector: injection.injector,
      ring: { fd: upcalls!.fd, bytes: upcalls!.info.maxEntries, isPollable: true },
      meters,
      adopted,
      remove: () => {
        injection.remove();
        removePins(dir, true);
      },
      close: () => {
        underlay.close();
        injection[Symbol.dispose]();
        devices[Symbol.dispose]();
      },
      rehearsal: () => new KernelRehearsal({ engine, ports, meters }),
    });
  } catch (e) {
    devices[Symbol.dispose]();
    throw e;
  }
}

function openEngine(
  dir: string,
  links: Links,
  options: KernelDpifOptions,
): { engine: Engine; adopted: boolean } {
  const pinned = openPinned(dir);
  const notes = pinned && readNotes(pinned);
  if (pinned === undefined || notes === undefined) {
    removePins(dir, true);
    const hashMask = options.hashMask ?? [0xffffffff, 0xffffffff];
    const sizes = { ...DEFAULT_SIZES, ...options.sizes };
    const programs = loadPrograms(sizes, hashMask, options.kfuncs);
    resetConntrack(programs.maps);
    const engine = new Engine(programs, hashMask, flowUfid);
    pinPrograms(programs, dir);
    return { engine, adopted: false };
  }
  const old = new Engine(pinned, notes.hashMask, flowUfid);
  old.adopt();
  if (notes.blob === blobHash() && !options.forceUpgrade) return { engine: old, adopted: true };
  return { engine: upgrade(old, dir, links), adopted: true };
}

/**
 * Other programs than those that run: loads ours with maps of their own, fills them, then lets each
 * link change over. A packet meets the old datapath or the new one, each complete.
 */
function upgrade(old: Engine, dir: string, links: Links): Engine {
  const { maps } = old.programs;
  // What is on its way through GRO arrives before the programs that know of it have gone.
  new Uint32Array(maps['state']!.memory())[STATE.coalesceIfindex] = 0;
  const sizes: Sizes = {
    flows: maps['flows']!.info.maxEntries,
    ports: maps['ports']!.info.maxEntries,
    chunks: maps['chunks']!.info.maxEntries,
    userdatas: maps['userdatas']!.info.maxEntries,
    ringBytes: maps['upcalls']!.info.maxEntries,
    connections: maps['cts']!.info.maxEntries,
  };
  const programs = loadPrograms(sizes, old.hashMask);
  const tables = [...TUNNEL_MAPS, ...CT_TABLES];
  for (const name of [
    'ports',
    'port_notes',
    'userdatas',
    'notes',
    'port_stats',
    'meters',
    ...tables,
  ])
    copyMap(old.programs, programs, name);
  for (const name of ['outs', 'state', ...CT_MEMORY]) copyMemory(old.programs, programs, name);
  const engine = new Engine(programs, old.hashMask, flowUfid);
  const copyCounts = engine.copyFrom(old);
  pinPrograms(programs, dir);
  const { port_in, inject_in, underlay_in, coalesced_in } = programs.programs;
  links.replaceAll((name) => {
    if (name === LINK_NAME || name === SEGMENT_LINK) return inject_in!;
    if (name === COALESCE_LINK) return coalesced_in!;
    return name.startsWith('under_') ? underlay_in! : port_in!;
  });
  copyCounts();
  for (const map of Object.values(maps)) map[Symbol.dispose]();
  for (const fd of Object.values(old.programs.programs)) closeSync(fd);
  return engine;
}

function copyMap(from: Programs, to: Programs, name: string): void {
  const target = to.maps[name]!;
  for (const key of [...from.maps[name]!.keys()]) {
    const value = from.maps[name]!.lookup(key);
    if (value !== undefined) target.update(key, value);
  }
}

function copyMemory(from: Programs, to: Programs, name: string): void {
  const source = new Uint8Array(from.maps[name]!.memory());
  new Uint8Array(to.maps[name]!.memory()).set(source);
}
