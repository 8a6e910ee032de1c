/**
 * Flow tables beside Open vSwitch's, in one run: the same lines through the same ovs-ofctl, the
 * distribution's, and once more through ours. The ratios are what to look at.
 *   node bench/openflow/main.ts [--flows N] [--rounds N] [--brief]
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Instance, isolate, REPOSITORY, runOk, Scope } from '@heddle/testing';
import { median, table } from '../datapath/statistics.ts';

isolate();

const { values } = parseArgs({
  options: {
    flows: { type: 'string', default: '100000' },
    rounds: { type: 'string', default: '3' },
    brief: { type: 'boolean', default: false },
  },
});
const count = Number(values.flows);
const rounds = Number(values.rounds);
const TRACES = 200;
const LONGEST_MS = 600_000;
const CLIENTS = {
  "the distribution's ovs-ofctl": '/usr/bin/ovs-ofctl',
  'our ovs-ofctl': join(REPOSITORY, 'bin/ovs-ofctl'),
} as const;

/** Flows that a router and a firewall might have: addresses and ports, several masks. */
function lines(n: number, output: number): string {
  const out: string[] = [];
  for (let i = 0; i < n; i++) {
    const address = `10.${(i >> 16) & 255}.${(i >> 8) & 255}.${i & 255}`;
    const match =
      i % 2 === 0 ? `ip,nw_dst=${address}` : `tcp,nw_src=${address},tp_dst=${i & 0xffff}`;
    out.push(`table=${i % 3},priority=${100 + (i % 7)},${match} actions=output:${output}`);
  }
  return `${out.join('\n')}\n`;
}

function residentBytes(instance: Instance): number {
  const status = readFileSync(`/proc/${instance.pid('ovs-vswitchd')}/status`, 'utf8');
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) * 1024;
}

/** User and system time of a process (field 13), or of the children that it has waited for (15). */
function cpuMs(pid: number | 'self', field: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  // The first of these fields is the third of proc_pid_stat(5), and a tick is 10 ms.
  return 10 * (Number(fields[field - 2]) + Number(fields[field - 1]));
}

const found = new Map<string, Map<string, number[]>>();

function note(what: string, who: string, value: number): void {
  const line = found.get(what) ?? new Map<string, number[]>();
  found.set(what, line);
  line.set(who, [...(line.get(who) ?? []), value]);
  process.stderr.write(`  ... ${who}: ${what}: ${value.toFixed(1)}\n`);
}

async function measure(who: string, open: typeof Instance.ours, type: string): Promise<void> {
  await using scope = new Scope();
  const instance = await open(scope);
  const set = ['--', 'set', 'bridge', 'br0', `datapath_type=${type}`, 'fail_mode=secure'];
  await instance.vsctl('add-br', 'br0', ...set);
  const first = join(instance.directory, 'first');
  const second = join(instance.directory, 'second');
  writeFileSync(first, lines(count, 1));
  writeFileSync(
    second,
    lines(count / 2, 2) +
      lines(count, 1)
        .split('\n')
        .slice(count / 2)
        .join('\n'),
  );
  const empty = residentBytes(instance);
  const clients = Object.entries(CLIENTS);
  for (const [client, path] of values.brief ? clients.slice(0, 1) : clients) {
    const timed = async (what: string, ...args: string[]): Promise<void> => {
      const pid = instance.pid('ovs-vswitchd')!;
      const before = [cpuMs('self', 15), cpuMs(pid, 13)] as const;
      const start = performance.now();
      const argv = instance.host.argv(path, '-O', 'OpenFlow13', ...args);
      await runOk(argv, { env: instance.env, timeoutMs: LONGEST_MS });
      note(`${what}, ${client}, ms`, who, performance.now() - start);
      note(`${what}, ${client}: client's CPU ms`, who, cpuMs('self', 15) - before[0]);
      note(`${what}, ${client}: switch's CPU ms`, who, cpuMs(pid, 13) - before[1]);
    };
    if (values.brief) await timed('add-flows --bundle', '--bundle', 'add-flows', 'br0', first);
    else await timed('add-flows', 'add-flows', 'br0', first);
    if (client.startsWith('the')) {
      note('memory per flow, bytes', who, (residentBytes(instance) - empty) / count);
    }
    await timed('dump-flows', 'dump-flows', 'br0');
    if (!values.brief) {
      await timed('replace-flows, half of them changed', 'replace-flows', 'br0', second);
    }
    await timed('del-flows', 'del-flows', 'br0');
    if (!values.brief) await timed('add-flows --bundle', '--bundle', 'add-flows', 'br0', first);
  }
  if (values.brief) return;
  const start = performance.now();
  for (let i = 0; i < TRACES; i++) {
    await instance.exec(
      '/usr/bin/ovs-appctl',
      'ofproto/trace',
      'br0',
      `in_port=LOCAL,ip,nw_dst=10.0.0.${i}`,
    );
  }
  note(`${TRACES} × ofproto/trace, ms`, who, performance.now() - start);
}

for (let round = 0; round < rounds; round++) {
  await measure('ours', Instance.ours, 'system');
  await measure('theirs', Instance.oracle, 'netdev');
}
const rows = [...found].map(([what, by]) => {
  const [ours, theirs] = [median(by.get('ours') ?? []), median(by.get('theirs') ?? [])];
  return [what, ours.toFixed(0), theirs.toFixed(0), `${(theirs / ours).toFixed(2)} times better`];
});
console.log(table([[`${count} flows`, 'Heddle', 'Open vSwitch', ''], ...rows]));
