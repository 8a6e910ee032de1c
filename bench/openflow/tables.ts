/** Commands on large tables: the distribution's ovs-ofctl and ours, each to both switches. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { REPOSITORY, runOk, Scope } from '@heddle/testing';
import { costOf, residentBytes } from './cost.ts';
import { note } from './results.ts';
import { alternate, flowLines, LONGEST_MS, mapPair, openSwitches } from './side.ts';

const CLIENTS = {
  "the distribution's ovs-ofctl": '/usr/bin/ovs-ofctl',
  'our ovs-ofctl': join(REPOSITORY, 'bin/ovs-ofctl'),
} as const;
/** Of each client, the very first of all apart. */
const PASSES = 3;

/** `brief`, for a million flows: bundles, dumps and deletions by the distribution's client. */
export async function measureTables(count: number, brief: boolean): Promise<void> {
  await using scope = new Scope();
  const pair = await openSwitches(scope);
  const directory = scope.directory('flows');
  const first = join(directory, 'first');
  const second = join(directory, 'second');
  const lines = flowLines(count, 1).split('\n');
  writeFileSync(first, lines.join('\n'));
  writeFileSync(second, flowLines(count / 2, 2) + lines.slice(count / 2).join('\n'));
  const empty = mapPair(pair, residentBytes);
  let isFirst = true;
  const timed = async (client: keyof typeof CLIENTS, what: string, ...args: string[]) => {
    const [costs] = await alternate(1, (who) =>
      costOf(pair[who], () => {
        const argv = pair[who].host.argv(CLIENTS[client], '-O', 'OpenFlow13', ...args);
        return runOk(argv, { env: pair[who].env, timeoutMs: LONGEST_MS });
      }),
    );
    const name = `${what}${isFirst ? ', first' : ''}, ${client}`;
    note(
      `${name}: ms`,
      mapPair(costs!, ({ wallMs }) => wallMs),
    );
    note(
      `${name}: client's CPU ms`,
      mapPair(costs!, ({ clientMs }) => clientMs),
    );
    note(
      `${name}: switch's CPU ms`,
      mapPair(costs!, ({ switchMs }) => switchMs),
    );
  };
  const clients = Object.keys(CLIENTS) as (keyof typeof CLIENTS)[];
  for (const client of brief ? clients.slice(0, 1) : clients) {
    for (let pass = 0; pass < PASSES; pass++) {
      await timed(client, 'add-flows --bundle', '--bundle', 'add-flows', 'br0', first);
      if (isFirst) {
        const grown = mapPair(pair, residentBytes);
        note('memory per flow, bytes', {
          ours: (grown.ours - empty.ours) / count,
          theirs: (grown.theirs - empty.theirs) / count,
        });
      }
      await timed(client, 'dump-flows', 'dump-flows', 'br0');
      if (!brief) {
        await timed(client, 'replace-flows, half of them changed', 'replace-flows', 'br0', second);
      }
      await timed(client, 'del-flows', 'del-flows', 'br0');
      isFirst = false;
    }
    if (brief) continue;
    await timed(client, 'add-flows', 'add-flows', 'br0', first);
    await timed(client, 'del-flows', 'del-flows', 'br0');
  }
}
