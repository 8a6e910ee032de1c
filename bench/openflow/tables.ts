/** Commands on large tables: the distribution's ovs-ofctl and ours, each to both switches. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { REPOSITORY, runOk, Scope } from '@heddle/testing';
import { cpuMs, note, residentBytes, switchCpuMs } from './results.ts';
import { flowLines, LONGEST_MS, openSwitch, type Side } from './side.ts';

const CLIENTS = {
  "the distribution's ovs-ofctl": '/usr/bin/ovs-ofctl',
  'our ovs-ofctl': join(REPOSITORY, 'bin/ovs-ofctl'),
} as const;

/** `brief`, for a million flows: one bundle, a dump, a deletion. */
export async function measureTables(side: Side, count: number, brief: boolean): Promise<void> {
  const { who } = side;
  await using scope = new Scope();
  const instance = await openSwitch(side, scope);
  const first = join(instance.directory, 'first');
  const second = join(instance.directory, 'second');
  writeFileSync(first, flowLines(count, 1));
  writeFileSync(
    second,
    flowLines(count / 2, 2) +
      flowLines(count, 1)
        .split('\n')
        .slice(count / 2)
        .join('\n'),
  );
  const empty = residentBytes(instance);
  const clients = Object.entries(CLIENTS);
  for (const [client, path] of brief ? clients.slice(0, 1) : clients) {
    const timed = async (what: string, ...args: string[]): Promise<void> => {
      const before = [cpuMs('self', 15), switchCpuMs(instance)] as const;
      const start = performance.now();
      const argv = instance.host.argv(path, '-O', 'OpenFlow13', ...args);
      await runOk(argv, { env: instance.env, timeoutMs: LONGEST_MS });
      note(`${what}, ${client}, ms`, who, performance.now() - start);
      note(`${what}, ${client}: client's CPU ms`, who, cpuMs('self', 15) - before[0]);
      note(`${what}, ${client}: switch's CPU ms`, who, switchCpuMs(instance) - before[1]);
    };
    if (brief) await timed('add-flows --bundle', '--bundle', 'add-flows', 'br0', first);
    else await timed('add-flows', 'add-flows', 'br0', first);
    if (client.startsWith('the')) {
      note('memory per flow, bytes', who, (residentBytes(instance) - empty) / count);
    }
    await timed('dump-flows', 'dump-flows', 'br0');
    if (!brief) {
      await timed('replace-flows, half of them changed', 'replace-flows', 'br0', second);
    }
    await timed('del-flows', 'del-flows', 'br0');
    if (!brief) await timed('add-flows --bundle', '--bundle', 'add-flows', 'br0', first);
  }
}
