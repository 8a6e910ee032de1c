/** The two switches that are compared, both up at once, and flows and packets for them. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ethernet, ipv4, pad, udp } from '@heddle/packet/build';
import { delay, Host, Instance, runOk, type Scope } from '@heddle/testing';
import { openedSockets, type Sockets } from '../datapath/sockets.ts';
import { costOf } from './cost.ts';
import type { Pair, Who } from './results.ts';

export const LONGEST_MS = 600_000;
const QUIET_MS = 1000;
const QUIET_CPU_MS = 20;
const LONGEST_WAIT_MS = 20_000;

/** Both with a bridge br0 without flows; a daemon is left alone until what it does at its start is over. */
export async function openSwitches(scope: Scope): Promise<Pair<Instance>> {
  const pair = { ours: await Instance.ours(scope), theirs: await Instance.oracle(scope) };
  // Open vSwitch's kernel module is not there: its userspace datapath.
  const types: Pair<string> = { ours: 'system', theirs: 'netdev' };
  await forBoth(async (who) => {
    const set = ['--', 'set', 'bridge', 'br0', `datapath_type=${types[who]}`, 'fail_mode=secure'];
    await pair[who].vsctl('add-br', 'br0', ...set);
  });
  const deadline = performance.now() + LONGEST_WAIT_MS;
  // Ours begins to rehearse when it has been idle for two seconds.
  await delay(3000);
  for (;;) {
    const { switchMs } = await costOf(pair.ours, () => delay(QUIET_MS));
    if (switchMs < QUIET_CPU_MS || performance.now() > deadline) return pair;
  }
}

/** One after the other. */
export async function forBoth<T>(make: (who: Who) => Promise<T>): Promise<Pair<T>> {
  const ours = await make('ours');
  return { ours, theirs: await make('theirs') };
}

/**
 * `count` bursts of each, in turn: who begins changes from pair to pair, so that neither gains by the
 * machine's becoming slower or faster.
 */
export async function alternate<T>(
  count: number,
  burst: (who: Who, n: number) => Promise<T>,
): Promise<Pair<T>[]> {
  const out: Pair<T>[] = [];
  for (let n = 0; n < count; n++) {
    if (n % 2 === 0) {
      const ours = await burst('ours', n);
      out.push({ ours, theirs: await burst('theirs', n) });
    } else {
      const theirs = await burst('theirs', n);
      out.push({ ours: await burst('ours', n), theirs });
    }
  }
  return out;
}

export function mapPair<T, U>({ ours, theirs }: Pair<T>, map: (value: T) => U): Pair<U> {
  return { ours: map(ours), theirs: map(theirs) };
}

/** Flows that a router and a firewall might have: addresses and ports, several masks. */
export function flowLines(n: number, output: number, tables = 3): string {
  const out: string[] = [];
  for (let i = 0; i < n; i++) {
    const match =
      i % 2 === 0 ? `ip,nw_dst=${address(i)}` : `tcp,nw_src=${address(i)},tp_dst=${i & 0xffff}`;
    out.push(`table=${i % tables},priority=${100 + (i % 7)},${match} actions=output:${output}`);
  }
  return `${out.join('\n')}\n`;
}

export function address(i: number): string {
  return `10.${(i >> 16) & 255}.${(i >> 8) & 255}.${i & 255}`;
}

/** Puts two hosts at ports 1 and 2 of br0. */
export async function addHosts(instance: Instance, scope: Scope): Promise<Sockets> {
  const hosts: Host[] = [];
  for (const n of [1, 2]) {
    const host = await Host.create(scope);
    await host.veth(scope, 'eth0', `p${n}`, instance.host);
    const set = ['--', 'set', 'interface', `p${n}`, `ofport_request=${n}`];
    await instance.vsctl('add-port', 'br0', `p${n}`, ...set);
    hosts.push(host);
  }
  const [a, b] = hosts as [Host, Host];
  return openedSockets({ a, b });
}

/** The same client for both. */
export async function ofctl(instance: Instance, ...args: string[]): Promise<string> {
  const argv = instance.host.argv('/usr/bin/ovs-ofctl', '-O', 'OpenFlow13', ...args);
  return runOk(argv, { env: instance.env, timeoutMs: LONGEST_MS });
}

export async function addFlows(instance: Instance, lines: string): Promise<void> {
  const file = join(instance.directory, 'flows');
  writeFileSync(file, lines);
  await ofctl(instance, '--bundle', 'add-flows', 'br0', file);
}

/** A datagram from address `n` of some to 10.x.y.z. */
export function frameOf(n: number, dst: string): Uint8Array {
  const macs = { src: 0x0400_0000_0000 + n, dst: 0x0200_0000_0002 };
  const ends = { src: '192.0.2.1', dst };
  return pad(
    ethernet(macs, ipv4(ends, udp({ src: 1000 + (n % 60_000), dst: 9 }, new Uint8Array(18)))),
  );
}
