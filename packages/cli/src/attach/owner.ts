/**
 * The owner of a port, recorded in the interface's external_ids so that the port can be collected
 * once its owner is gone, also by a later process and after a reboot.
 */
import { readFileSync, statSync } from 'node:fs';

/** external_ids that ovs-docker of Open vSwitch writes and looks for. */
export const CONTAINER_ID = 'container_id';
export const CONTAINER_IFACE = 'container_iface';
/** Ours: `pid:PID:START:BOOT` or `netns:INODE:BOOT:PATH`. */
export const OWNER = 'heddle_owner';

export type Owner =
  | { kind: 'pid'; pid: number; startTicks: string; bootId: string }
  | { kind: 'netns'; path: string; inode: number; bootId: string };

export function ownerOfPid(pid: number): Owner | undefined {
  const startTicks = processStart(pid);
  return startTicks === undefined ? undefined : { kind: 'pid', pid, startTicks, bootId: bootId() };
}

export function ownerOfPath(path: string): Owner {
  return { kind: 'netns', path, inode: statSync(path).ino, bootId: bootId() };
}

export function formatOwner(owner: Owner): string {
  return owner.kind === 'pid'
    ? `pid:${owner.pid}:${owner.startTicks}:${owner.bootId}`
    : `netns:${owner.inode}:${owner.bootId}:${owner.path}`;
}

/** Undefined for a text that no version of ours wrote. */
export function parseOwner(text: string): Owner | undefined {
  const pid = /^pid:(\d+):(\d+):([^:]+)$/.exec(text);
  if (pid) return { kind: 'pid', pid: Number(pid[1]), startTicks: pid[2]!, bootId: pid[3]! };
  const netns = /^netns:(\d+):([^:]+):(.+)$/.exec(text);
  if (!netns) return undefined;
  return { kind: 'netns', inode: Number(netns[1]), bootId: netns[2]!, path: netns[3]! };
}

/** A process is the same one only with the same start time: numbers are used again. */
export function isAlive(owner: Owner): boolean {
  if (owner.bootId !== bootId()) return false;
  if (owner.kind === 'pid') return processStart(owner.pid) === owner.startTicks;
  try {
    return statSync(owner.path).ino === owner.inode;
  } catch {
    return false;
  }
}

export function isThisProcess(owner: Owner): boolean {
  return owner.kind === 'pid' && owner.pid === process.pid && isAlive(owner);
}

/** Field 22 of /proc/PID/stat, in clock ticks since boot; undefined for no such process. */
export function processStart(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    // A zombie keeps its entry, but none of its namespaces.
    return fields[0] === 'Z' || fields[0] === 'X' ? undefined : fields[19];
  } catch {
    return undefined;
  }
}

let boot: string | undefined;

function bootId(): string {
  boot ??= readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  return boot;
}
