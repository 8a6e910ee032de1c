/**
 * Long replies piece by piece: nobody else waits for long, and what a peer has not read yet stays
 * small. Its own next requests wait until the reply is complete.
 */
import { performance } from 'node:perf_hooks';
import type { OfpChannel } from './ofconn.ts';

const SLICE_MS = 20;
const BACKLOG_BYTES = 1 << 20;

/** `sendOne` sends a piece, and tells whether others follow. */
export function sendInSlices(channel: OfpChannel, sendOne: () => boolean): void {
  if (!slice(channel, sendOne)) return;
  const letGo = channel.hold();
  const goOn = (): void => {
    if (!channel.isOpen || !slice(channel, sendOne)) letGo();
    else soon(channel, goOn);
  };
  soon(channel, goOn);
}

function slice(channel: OfpChannel, sendOne: () => boolean): boolean {
  const end = performance.now() + SLICE_MS;
  while (sendOne()) {
    if (channel.backlog > BACKLOG_BYTES || performance.now() > end) return true;
  }
  return false;
}

function soon(channel: OfpChannel, goOn: () => void): void {
  if (channel.backlog > BACKLOG_BYTES) void channel.drained().then(goOn);
  else setImmediate(goOn);
}
