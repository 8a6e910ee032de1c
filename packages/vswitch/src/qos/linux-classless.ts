/** Types without queues: tc-sfq(8), tc-codel(8), tc-fq_codel(8), tc-netem(8). */
import { microsecondsToTicks } from './psched.ts';
import { type Settings, unsigned32 } from './qos-config.ts';
import { attribute, type DeviceFacts, type TcKind, words } from './tc-kind.ts';

type Values = readonly (readonly [name: string, value: number])[];

function shaped(values: Values, options: Uint8Array) {
  return { details: new Map(values.map(([name, value]) => [name, String(value)])), options };
}

/** Zero, too, stands for the default. */
function positive(settings: Settings, key: string, fallback: number): number {
  return unsigned32(settings, key, 0) || fallback;
}

/** struct tc_sfq_qopt: quantum, perturb_period, limit, divisor, flows; 0 leaves it to the kernel. */
const LINUX_SFQ: TcKind = {
  type: 'linux-sfq',
  kind: 'sfq',
  options: (settings, { mtu }: DeviceFacts) => {
    const perturb = unsigned32(settings, 'perturb', 10);
    const quantum = positive(settings, 'quantum', mtu);
    const values: Values = [
      ['quantum', quantum],
      ['perturb', perturb],
    ];
    return shaped(values, words(quantum, perturb, 0, 0, 0));
  },
};

/** TCA_CODEL_* and TCA_FQ_CODEL_* begin alike. */
const TARGET = 1;
const LIMIT = 2;
const INTERVAL = 3;
const FLOWS = 5;
const QUANTUM = 6;

function numbered(values: readonly (readonly [type: number, name: string, value: number])[]) {
  return shaped(
    values.map(([, name, value]) => [name, value] as const),
    Buffer.concat(values.map(([type, , value]) => attribute(type, words(value)))),
  );
}

/** Times in microseconds. */
const LINUX_CODEL: TcKind = {
  type: 'linux-codel',
  kind: 'codel',
  options: (settings) =>
    numbered([
      [TARGET, 'target', positive(settings, 'target', 5000)],
      [LIMIT, 'limit', positive(settings, 'limit', 10240)],
      [INTERVAL, 'interval', positive(settings, 'interval', 100_000)],
    ]),
};

const LINUX_FQ_CODEL: TcKind = {
  type: 'linux-fq_codel',
  kind: 'fq_codel',
  options: (settings, { mtu }) =>
    numbered([
      [TARGET, 'target', positive(settings, 'target', 5000)],
      [LIMIT, 'limit', positive(settings, 'limit', 10240)],
      [INTERVAL, 'interval', positive(settings, 'interval', 1_000_000)],
      [FLOWS, 'flows', positive(settings, 'flows', 1024)],
      [QUANTUM, 'quantum', positive(settings, 'quantum', mtu + 14)],
    ]),
};

/** struct tc_netem_qopt: latency in ticks, limit, loss as a part of 2^32, gap, duplicate, jitter. */
const LINUX_NETEM: TcKind = {
  type: 'linux-netem',
  kind: 'netem',
  options: (settings) => {
    const latency = unsigned32(settings, 'latency', 0);
    const limit = positive(settings, 'limit', 1000);
    const loss = Math.min(unsigned32(settings, 'loss', 0), 100);
    const values: Values = [
      ['latency', latency],
      ['limit', limit],
      ['loss', loss],
    ];
    const part = Math.floor((loss / 100) * 0xffff_ffff);
    return shaped(values, words(microsecondsToTicks(latency), limit, part, 0, 0, 0));
  },
};

export const CLASSLESS: readonly TcKind[] = [LINUX_NETEM, LINUX_FQ_CODEL, LINUX_CODEL, LINUX_SFQ];
