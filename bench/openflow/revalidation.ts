/** What many megaflows cost: while nothing happens, and when a flow table changes. */
import { delay, Scope } from '@heddle/testing';
import { costOf, residentBytes } from './cost.ts';
import { note } from './results.ts';
import {
  addFlows,
  addHosts,
  alternate,
  forBoth,
  frameOf,
  mapPair,
  ofctl,
  openSwitches,
} from './side.ts';
import { megaflows, sendAll } from './upcalls.ts';

const MEGAFLOWS = 50_000;
const ROUND = 10_000;
/** Open vSwitch begins with a limit of 10,000 and raises it while revalidation is quick. */
const LONGEST_ROUNDS = 10;
const REST_MS = 300;
const IDLE_MS = 5000;
const CHANGES = 5;
const CHANGE_MS = 2000;

export async function measureRevalidation(): Promise<void> {
  await using scope = new Scope();
  const pair = await openSwitches(scope);
  const sockets = await forBoth((who) => addHosts(pair[who], scope));
  using _ours = sockets.ours;
  using _theirs = sockets.theirs;
  const flows = 'dl_src=02:00:00:00:00:99 actions=drop\npriority=1 actions=output:2\n';
  await forBoth(async (who) => {
    await addFlows(pair[who], flows);
    await pair[who].vsctl('set', 'Open_vSwitch', '.', 'other_config:max-idle=600000');
  });
  const empty = mapPair(pair, residentBytes);
  const counts = await forBoth(async (who) => {
    let count = 0;
    for (let round = 0; round < LONGEST_ROUNDS && count < MEGAFLOWS; round++) {
      const from = (round * ROUND) % MEGAFLOWS;
      const frames = Array.from({ length: ROUND }, (_, n) => frameOf(from + n, '10.0.0.1'));
      await sendAll(sockets[who], frames, REST_MS);
      if (round % 5 === 4) count = (await megaflows(pair[who])).length;
    }
    return count;
  });
  note('megaflows to revalidate', counts, 'rate');
  note('memory per megaflow, bytes', {
    ours: (residentBytes(pair.ours) - empty.ours) / counts.ours,
    theirs: (residentBytes(pair.theirs) - empty.theirs) / counts.theirs,
  });
  await delay(1000);
  const idle = await forBoth((who) => costOf(pair[who], () => delay(IDLE_MS)));
  const perMs = mapPair(idle, ({ switchMs }) => switchMs / IDLE_MS);
  note('idle, per 10,000 megaflows: CPU ms per second', {
    ours: per(perMs.ours * 1000, counts.ours),
    theirs: per(perMs.theirs * 1000, counts.theirs),
  });
  const changes = await alternate(CHANGES, async (who, n) => {
    const { switchMs, wallMs } = await costOf(pair[who], async () => {
      await ofctl(pair[who], 'add-flow', 'br0', `dl_src=02:00:00:00:01:0${n} actions=drop`);
      await delay(CHANGE_MS);
    });
    return per(switchMs - perMs[who] * wallMs, counts[who]);
  });
  for (const cost of changes) note('change of a table, per 10,000 megaflows: CPU ms', cost);
  // One way to be done with a change is to drop what nobody uses.
  const left = await forBoth(async (who) => (await megaflows(pair[who])).length / counts[who]);
  note('megaflows left after the changes: share', left, 'rate');
}

function per(ms: number, count: number): number {
  return (ms * 10_000) / count;
}
