/**
 * Our programs at the ingress of devices, for longer than this process lives. A TCX link (Linux
 * 6.6) is pinned as `links/port_IFINDEX` or `links/inject`; before, a clsact filter stays with the
 * device, and a file of the same name under `links` is a directory that says so. A TCX link takes
 * an RCU grace period (10 ms and more) to attach and another to go, with everybody's netlink held
 * up: where many ports come at once they get filters, which take none.
 */
import {
  closeSync,
  existsSync,
  mkdirSync,
  readdirSync,
  rmdirSync,
  statSync,
  unlinkSync,
} from 'node:fs';
import { join } from 'node:path';
import { attachTcx, getPinned, linkIfindex, pin, updateLink } from '@heddle/linux/bpf/index';
import type { Rtnl } from '@heddle/linux/rtnetlink/rtnl';
import { SystemError } from '@heddle/runtime';

export type AttachMode = 'auto' | 'tcx' | 'clsact';

const FILTER_NAME = 'heddle';
const PRIORITY = 49152;
const HANDLE = 1;
/** So many TCX links may be attached at once, and one more in each interval. */
const TCX_BURST = 16;
const TCX_INTERVAL_MS = 250;

export class Links {
  readonly #dir: string;
  readonly #rtnl: Rtnl;
  #mode: AttachMode;
  #tcxAllowance = TCX_BURST;
  #tcxSince = performance.now();

  constructor(dir: string, rtnl: Rtnl, mode: AttachMode = 'auto') {
    this.#dir = join(dir, 'links');
    this.#rtnl = rtnl;
    this.#mode = mode;
  }

  attach(name: string, program: number, ifindex: number): void {
    this.detach(name, ifindex);
    if (this.#mayTcx() && this.#attachTcx(name, program, ifindex)) return;
    this.#rtnl.ensureClsact(ifindex);
    this.#rtnl.setBpfFilter(place(ifindex), { fd: program, name: FILTER_NAME });
    mkdirSync(join(this.#path(name), String(ifindex)), { recursive: true });
  }

  #mayTcx(): boolean {
    if (this.#mode !== 'auto') return this.#mode === 'tcx';
    const now = performance.now();
    const earned = (now - this.#tcxSince) / TCX_INTERVAL_MS;
    this.#tcxAllowance = Math.min(TCX_BURST, this.#tcxAllowance + earned);
    this.#tcxSince = now;
    if (this.#tcxAllowance < 1) return false;
    this.#tcxAllowance--;
    return true;
  }

  /** False when the kernel does not know TCX. */
  #attachTcx(name: string, program: number, ifindex: number): boolean {
    let link: number;
    try {
      link = attachTcx(program, ifindex);
    } catch (e) {
      if (this.#mode === 'tcx' || !(e instanceof SystemError) || e.code !== 'EINVAL') throw e;
      this.#mode = 'clsact';
      return false;
    }
    try {
      pin(link, this.#path(name));
    } finally {
      closeSync(link);
    }
    return true;
  }

  /** Whether the program that was attached under this name is still at that device. */
  isAttached(name: string, ifindex: number): boolean {
    const path = this.#path(name);
    if (!existsSync(path) || ifindex === 0) return false;
    if (statSync(path).isDirectory())
      return existsSync(join(path, String(ifindex))) && this.#hasFilter(ifindex);
    const link = getPinned(path);
    try {
      return linkIfindex(link) === ifindex;
    } finally {
      closeSync(link);
    }
  }

  detach(name: string, ifindex: number): void {
    const path = this.#path(name);
    if (!existsSync(path)) return;
    if (!statSync(path).isDirectory()) {
      unlinkSync(path);
      return;
    }
    // The qdisc goes with the device, or may serve others: only our filter is taken away.
    if (this.#hasFilter(ifindex)) this.#rtnl.deleteBpfFilter(place(ifindex));
    removeMark(path);
  }

  /** Puts other programs in the place of those that run, without a gap. */
  replaceAll(programOf: (name: string) => number): void {
    for (const name of readdirSync(this.#dir)) {
      const path = this.#path(name);
      if (statSync(path).isDirectory()) this.#replaceFilter(path, programOf(name));
      else replaceLink(path, programOf(name));
    }
  }

  #replaceFilter(path: string, program: number): void {
    for (const ifindex of readdirSync(path).map(Number))
      if (this.#hasFilter(ifindex)) {
        const filter = { fd: program, name: FILTER_NAME };
        this.#rtnl.setBpfFilter(place(ifindex), filter, { replace: true });
      }
  }

  #hasFilter(ifindex: number): boolean {
    if (ifindex === 0 || this.#rtnl.link(ifindex) === undefined) return false;
    const ours = (f: { priority: number; bpf: { name: string } | undefined }) =>
      f.priority === PRIORITY && f.bpf?.name === FILTER_NAME;
    return this.#rtnl.filters(ifindex, 'ingress').some(ours);
  }

  /** What is attached. */
  names(): readonly string[] {
    return existsSync(this.#dir) ? readdirSync(this.#dir) : [];
  }

  #path(name: string): string {
    return join(this.#dir, name);
  }
}

function place(ifindex: number) {
  return { ifindex, direction: 'ingress' as const, priority: PRIORITY, handle: HANDLE };
}

function replaceLink(path: string, program: number): void {
  const link = getPinned(path);
  try {
    updateLink(link, program);
  } finally {
    closeSync(link);
  }
}

/** Removes the directory that marks a clsact filter. */
function removeMark(path: string): void {
  for (const ifindex of readdirSync(path)) rmdirSync(join(path, ifindex));
  rmdirSync(path);
}

/** Whether a pinned TCX link has outlived its device, in whatever namespace that was. */
export function isDead(links: string, name: string): boolean {
  const path = join(links, name);
  if (!existsSync(path) || statSync(path).isDirectory()) return false;
  const link = getPinned(path);
  try {
    return linkIfindex(link) === 0;
  } finally {
    closeSync(link);
  }
}

/** Forgets all links without their devices: pins go, and with them TCX links. */
export function removeLinks(dir: string): void {
  const links = join(dir, 'links');
  if (!existsSync(links)) return;
  for (const name of readdirSync(links)) {
    const path = join(links, name);
    if (statSync(path).isDirectory()) removeMark(path);
    else unlinkSync(path);
  }
  rmdirSync(links);
}
