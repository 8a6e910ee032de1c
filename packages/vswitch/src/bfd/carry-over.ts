/** A session that is up, for the next daemon. */
import { numbersOf, objectOf } from '../kept.ts';
import type { Bfd, KeptBfd } from './bfd.ts';

const NUMBERS = ['disc', 'udpSrc', 'diag', 'minTxMs', 'minRxMs', 'flaps'] as const;
const REMOTE = ['diag', 'disc', 'minTxMs', 'minRxMs', 'mult'] as const;

/** undefined: there is no session that a neighbour would miss. */
export function bfdToKeep(bfd: Bfd | undefined): KeptBfd | undefined {
  if (bfd?.state !== 'up' || bfd.remote.state !== 'up') return undefined;
  const { disc, udpSrc, diag, minTxMs, minRxMs, flaps } = bfd;
  const { state: _, flags: __, ...remote } = bfd.remote;
  return { disc, udpSrc, diag, minTxMs, minRxMs, flaps, remote };
}

/** undefined when it is none, or the neighbour has missed us for as long as it waits. */
export function keptBfd(value: unknown, awayMs: number): KeptBfd | undefined {
  const numbers = numbersOf(value, NUMBERS);
  const remote = numbersOf(objectOf(value)?.['remote'], REMOTE);
  if (!numbers || !remote || !(numbers.disc > 0)) return undefined;
  const detectMs = remote.mult * Math.max(numbers.minRxMs, remote.minTxMs);
  return awayMs < detectMs ? { ...numbers, remote } : undefined;
}
