/** Pinned TCX links: `links/port_IFINDEX` and `links/inject`. */
import { closeSync, existsSync, unlinkSync } from 'node:fs';
import { attachTcx, getPinned, linkIfindex, pin } from '@heddle/linux/bpf/index';

/** Attaches a program for longer than this process lives. */
export function attachPinned(program: number, ifindex: number, path: string): void {
  unpin(path);
  const link = attachTcx(program, ifindex);
  try {
    pin(link, path);
  } finally {
    closeSync(link);
  }
}

/** Whether the pinned link is still attached to that device. */
export function isAttached(path: string, ifindex: number): boolean {
  if (!existsSync(path)) return false;
  const link = getPinned(path);
  try {
    return linkIfindex(link) === ifindex;
  } finally {
    closeSync(link);
  }
}

/** Detaches, too: the pin is all that holds the link. */
export function unpin(path: string): void {
  if (existsSync(path)) unlinkSync(path);
}
