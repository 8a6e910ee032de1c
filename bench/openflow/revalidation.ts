/** What many megaflows cost: while nothing happens, and when a flow table changes. */
import { delay, Scope } from '@heddle/testing';
import { note, residentBytes, switchCpuMs } from './results.ts';
import { addFlows, addHosts, frameOf, ofctl, openSwitch, type Side } from './side.ts';
import { megaflows, sendAll } from './upcalls.ts';

const MEGAFLOWS = 50_000;
const ROUND = 10_000;
/** Open vSwitch begins with a limit of 10,000 and raises it while revalidation is quick. */
const LONGEST_ROUNDS = 10;
const IDLE_MS = 5000;
const CHANGES = 5;

export async function measureRevalidation(side: Side): Promise<void> {
  await using scope = new Scope();
  const instance = await openSwitch(side, scope);
  using sockets = await addHosts(instance, scope);
  await addFlows(instance, 'dl_src=02:00:00:00:00:99 actions=drop\npriority=1 actions=output:2\n');
  await instance.vsctl('set', 'Open_vSwitch', '.', 'other_config:max-idle=600000');
  const empty = residentBytes(instance);
  let count = 0;
  for (let round = 0; round < LONGEST_ROUNDS && count < MEGAFLOWS; round++) {
    const from = (round * ROUND) % MEGAFLOWS;
    await sendAll(
      sockets,
      Array.from({ length: ROUND }, (_, n) => frameOf(from + n, '10.0.0.1')),
    );
    if (round % 5 === 4) count = (await megaflows(instance)).length;
  }
  note('megaflows to revalidate', side.who, count, 'rate');
  note('memory per megaflow, bytes', side.who, (residentBytes(instance) - empty) / count);
  await delay(1000);
  const before = switchCpuMs(instance);
  await delay(IDLE_MS);
  const idle = (switchCpuMs(instance) - before) / IDLE_MS;
  note('idle, per 10,000 megaflows: CPU ms per second', side.who, per(idle * 1000, count));
  let spent = 0;
  for (let n = 0; n < CHANGES; n++) {
    const start = [performance.now(), switchCpuMs(instance)] as const;
    await ofctl(instance, 'add-flow', 'br0', `dl_src=02:00:00:00:01:0${n} actions=drop`);
    await delay(2000);
    spent += switchCpuMs(instance) - start[1] - idle * (performance.now() - start[0]);
  }
  note('change of a table, per 10,000 megaflows: CPU ms', side.who, per(spent / CHANGES, count));
  // One way to be done with a change is to drop what nobody uses.
  const left = (await megaflows(instance)).length / count;
  note('megaflows left after the changes: share', side.who, left, 'rate');
}

function per(ms: number, count: number): number {
  return (ms * 10_000) / count;
}
