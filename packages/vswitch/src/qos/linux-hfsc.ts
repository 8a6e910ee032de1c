/**
 * linux-hfsc: the hierarchical fair service curve (tc-hfsc(7)), queues as in linux-htb: `min-rate`
 * is guaranteed in real time and shared by, `max-rate` is the upper limit. struct tc_service_curve.
 */
import { DEFAULT_RATE } from './linux-htb.ts';
import { type Settings, unsigned } from './qos-config.ts';
import { attribute, type DeviceFacts, type TcKind, words } from './tc-kind.ts';

const TCA_HFSC_RSC = 1;
const TCA_HFSC_FSC = 2;
const TCA_HFSC_USC = 3;
const DEFAULT_CLASS = 1;
/** Curves are of 32 bits. */
const MAX_RATE = 0xffff_ffff;

function maxRateOf(settings: Settings, { speed }: DeviceFacts): number {
  const given = Math.floor(unsigned(settings, 'max-rate', 0) / 8);
  const fallback = speed === undefined ? DEFAULT_RATE : Math.floor(speed / 8);
  return Math.min(given > 0 ? given : fallback, MAX_RATE);
}

/** A straight line: the same slope before and after the bend. */
function curves(minRate: number, maxRate: number): Uint8Array {
  const line = (rate: number) => words(rate, 0, rate);
  return Buffer.concat([
    attribute(TCA_HFSC_RSC, line(minRate)),
    attribute(TCA_HFSC_FSC, line(minRate)),
    attribute(TCA_HFSC_USC, line(maxRate)),
  ]);
}

export const LINUX_HFSC: TcKind = {
  type: 'linux-hfsc',
  kind: 'hfsc',
  options: (settings, facts) => ({
    details: new Map([['max-rate', String(maxRateOf(settings, facts) * 8)]]),
    options: new Uint8Array(Uint16Array.of(DEFAULT_CLASS).buffer),
  }),
  classes: {
    inner: (settings, facts) => {
      const rate = maxRateOf(settings, facts);
      return curves(rate, rate);
    },
    queue: (queue, root, facts) => {
      const limit = maxRateOf(root, facts);
      const least = Math.max(Math.floor(unsigned(queue, 'min-rate', 0) / 8), 1);
      const minRate = Math.min(least, limit);
      const most = Math.floor(unsigned(queue, 'max-rate', 0) / 8);
      const maxRate = Math.min(Math.max(most > 0 ? most : limit, minRate), limit);
      const details = new Map([['min-rate', String(minRate * 8)]]);
      if (maxRate !== minRate) details.set('max-rate', String(maxRate * 8));
      return { details, options: curves(minRate, maxRate) };
    },
  },
};
