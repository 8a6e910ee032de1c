/**
 * linux-htb: tc-htb(8) with one class for each queue under a common one that has the port's rate
 * (ovs-vswitchd.conf.db(5), "Configuration for linux-htb"). Rates are bit/s in the database, bytes
 * per second here. struct tc_htb_opt of linux/pkt_sched.h.
 */
import { bytesToTicks } from './psched.ts';
import { type Settings, unsigned, unsigned32 } from './qos-config.ts';
import { attribute, type DeviceFacts, type TcKind, words } from './tc-kind.ts';

const TCA_HTB_PARMS = 1;
const TCA_HTB_INIT = 2;
const TCA_HTB_RATE64 = 6;
const TCA_HTB_CEIL64 = 7;
const HTB_VERSION = 3;
/** A class that has no quantum of its own sends a tenth of its rate in a turn. */
const RATE_TO_QUANTUM = 10;
const DEFAULT_CLASS = 1;
const LINKLAYER_ETHERNET = 1;
/** Shorter frames count as this much. */
const MIN_FRAME = 60;
const MAX_RATE32 = 0xffff_ffff;
export const DEFAULT_RATE = 10e9 / 8;
/** What a burst must be longer than a packet by. */
const BURST_MARGIN = 64;

interface HtbClass {
  readonly minRate: number;
  readonly maxRate: number;
  readonly burst: number;
  readonly priority: number;
}

function maxRateOf(settings: Settings, { speed }: DeviceFacts): number {
  const given = Math.floor(unsigned(settings, 'max-rate', 0) / 8);
  return given > 0 ? given : speed === undefined ? DEFAULT_RATE : Math.floor(speed / 8);
}

function queueClass(queue: Settings, root: Settings, facts: DeviceFacts): HtbClass {
  const limit = maxRateOf(root, facts);
  const mtu = facts.mtu;
  const least = Math.max(Math.floor(unsigned(queue, 'min-rate', 0) / 8), mtu);
  const minRate = Math.min(least, limit);
  const most = Math.floor(unsigned(queue, 'max-rate', 0) / 8);
  const maxRate = Math.min(Math.max(most > 0 ? most : limit, minRate), limit);
  const burst = Math.max(Math.floor(unsigned(queue, 'burst', 0) / 8), mtu + BURST_MARGIN);
  return { minRate, maxRate, burst, priority: unsigned32(queue, 'priority', 0) };
}

function rateSpec(rate: number): Uint8Array {
  const spec = new Uint8Array(12);
  const view = new DataView(spec.buffer);
  view.setUint8(1, LINKLAYER_ETHERNET);
  view.setUint16(6, MIN_FRAME, true);
  view.setUint32(8, Math.min(rate, MAX_RATE32), true);
  return spec;
}

function rate64(type: number, rate: number): Uint8Array[] {
  if (rate <= MAX_RATE32) return [];
  return [attribute(type, new Uint8Array(BigUint64Array.of(BigInt(rate)).buffer))];
}

function classOptions({ minRate, maxRate, burst, priority }: HtbClass, mtu: number): Uint8Array {
  const quantum = Math.floor(minRate / RATE_TO_QUANTUM) < mtu ? mtu : 0;
  const times = [bytesToTicks(minRate, burst), bytesToTicks(maxRate, burst)];
  const parms = [rateSpec(minRate), rateSpec(maxRate), words(...times, quantum, 0, priority)];
  return Buffer.concat([
    attribute(TCA_HTB_PARMS, Buffer.concat(parms)),
    ...rate64(TCA_HTB_RATE64, minRate),
    ...rate64(TCA_HTB_CEIL64, maxRate),
  ]);
}

function bits(bytes: number): string {
  return String(BigInt(bytes) * 8n);
}

export const LINUX_HTB: TcKind = {
  type: 'linux-htb',
  kind: 'htb',
  options: (settings, facts) => ({
    details: new Map([['max-rate', bits(maxRateOf(settings, facts))]]),
    options: attribute(TCA_HTB_INIT, words(HTB_VERSION, RATE_TO_QUANTUM, DEFAULT_CLASS, 0, 0)),
  }),
  classes: {
    inner: (settings, facts) => {
      const rate = maxRateOf(settings, facts);
      const all = { minRate: rate, maxRate: rate, burst: facts.mtu, priority: 0 };
      return classOptions(all, facts.mtu);
    },
    queue: (queue, root, facts) => {
      const cls = queueClass(queue, root, facts);
      const details = new Map([['burst', bits(cls.burst)]]);
      if (cls.priority !== 0) details.set('priority', String(cls.priority));
      details.set('min-rate', bits(cls.minRate));
      if (cls.maxRate !== cls.minRate) details.set('max-rate', bits(cls.maxRate));
      return { details, options: classOptions(cls, facts.mtu) };
    },
  },
};
