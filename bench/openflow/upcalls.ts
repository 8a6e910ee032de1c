/** First packets: what they cost through tables of several sizes, and which megaflows they leave. */
import { delay, type Instance, Scope } from '@heddle/testing';
import type { Sockets } from '../datapath/sockets.ts';
import { type Cost, costOf, NOTHING, sumOf } from './cost.ts';
import { note } from './results.ts';
import {
  addFlows,
  addHosts,
  address,
  alternate,
  flowLines,
  forBoth,
  frameOf,
  mapPair,
  ofctl,
  openSwitches,
} from './side.ts';

const TABLE_SIZES = [10, 1000, 100_000];
const PACKETS = 10_000;
const BURST = 500;
const BURSTS = PACKETS / BURST;
/** After the first 10,000. */
const WARM_ROUNDS = 3;
const BATCH = 32;
const BATCH_MS = 4;
/** For what was sent to be dealt with. */
const REST_MS = 60;
/** Looks at the whole source: each packet of another one asks for a flow of its own. */
const BY_SOURCE = 'priority=1000,dl_src=02:00:00:00:00:99 actions=drop';
const REST = 'priority=1 actions=output:2\n';

export async function measureUpcalls(): Promise<void> {
  for (const size of TABLE_SIZES) {
    await using scope = new Scope();
    const pair = await openSwitches(scope);
    const sockets = await forBoth((who) => addHosts(pair[who], scope));
    using _ours = sockets.ours;
    using _theirs = sockets.theirs;
    await forBoth((who) => addFlows(pair[who], flowLines(size, 2, 1) + REST + BY_SOURCE));
    const frames = framesTo(size);
    const bursts = () =>
      alternate(BURSTS, (who, n) =>
        costOf(pair[who], () =>
          sendAll(sockets[who], frames.slice(n * BURST, (n + 1) * BURST), REST_MS),
        ),
      );
    const tell = (what: string, cost: { ours: Cost; theirs: Cost }, packets: number) =>
      note(
        `new flow, table of ${size}${what}: CPU µs`,
        mapPair(cost, ({ switchMs }) => (1000 * switchMs) / packets),
      );
    const share = async (what: string) => {
      const installed = await forBoth(async (who) => (await megaflows(pair[who])).length / PACKETS);
      note(`new flows, table of ${size}${what}: share`, installed, 'rate');
      await forBoth((who) => pair[who].exec('/usr/bin/ovs-appctl', 'revalidator/purge'));
    };
    const first = await bursts();
    const total = (who: 'ours' | 'theirs') => first.map((p) => p[who]).reduce(sumOf, NOTHING);
    tell(`, first ${PACKETS}`, { ours: total('ours'), theirs: total('theirs') }, PACKETS);
    await share(`, first ${PACKETS}`);
    for (let round = 0; round < WARM_ROUNDS; round++) {
      for (const costs of await bursts()) tell('', costs, BURST);
      await share('');
    }
    await forBoth((who) => ofctl(pair[who], 'del-flows', '--strict', 'br0', strict(BY_SOURCE)));
    await forBoth((who) => pair[who].exec('/usr/bin/ovs-appctl', 'revalidator/purge'));
    const left = await forBoth(async (who) => {
      await sendAll(sockets[who], frames, REST_MS);
      return megaflows(pair[who]);
    });
    const name = `${PACKETS} packets, table of ${size}`;
    note(
      `${name}: megaflows`,
      mapPair(left, (flows) => flows.length),
    );
    note(
      `${name}: masks`,
      mapPair(left, (flows) => new Set(flows.map(maskOf)).size),
    );
  }
}

/** Priority and match alone. */
function strict(line: string): string {
  return line.slice(0, line.indexOf(' actions='));
}

/** To the addresses of half of the flows, and as many others. */
function framesTo(size: number): Uint8Array[] {
  return Array.from({ length: PACKETS }, (_, n) =>
    frameOf(n, n % 2 === 0 ? address((n * 7919) % size) : address((n * 104_729) & 0xff_ffff)),
  );
}

export async function sendAll(
  sockets: Sockets,
  frames: readonly Uint8Array[],
  restMs: number,
): Promise<void> {
  for (let at = 0; at < frames.length; at += BATCH) {
    sockets.send(sockets.batch(frames.slice(at, at + BATCH)));
    await delay(BATCH_MS);
  }
  await delay(restMs);
}

/** Of packets from `frameOf`, not what kernels send by themselves. */
export async function megaflows(instance: Instance): Promise<string[]> {
  const text = await instance.exec('/usr/bin/ovs-appctl', 'dpctl/dump-flows');
  return text.split('\n').filter((line) => /eth_type\(0x0800\)/.test(line));
}

/** A flow's text without values. */
function maskOf(flow: string): string {
  const match = flow.slice(0, flow.indexOf(', packets:'));
  return match.replace(/([=(])[^=(),/]+(?=[,)/])/g, '$1');
}
