/** The switches that are compared, and flows and packets for them. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ethernet, ipv4, pad, udp } from '@heddle/packet/build';
import { Host, type Instance, runOk, type Scope } from '@heddle/testing';
import { openedSockets, type Sockets } from '../datapath/sockets.ts';
import type { Who } from './results.ts';

export interface Side {
  readonly who: Who;
  readonly open: typeof Instance.ours;
  /** `datapath_type` of its bridge. */
  readonly type: string;
}

export const LONGEST_MS = 600_000;

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

/** A bridge br0 without flows. */
export async function openSwitch(side: Side, scope: Scope): Promise<Instance> {
  const instance = await side.open(scope);
  const set = ['--', 'set', 'bridge', 'br0', `datapath_type=${side.type}`, 'fail_mode=secure'];
  await instance.vsctl('add-br', 'br0', ...set);
  return instance;
}

/** Puts two hosts at ports 1 and 2 of br0. */
export async function addHosts(instance: Instance, scope: Scope): Promise<Sockets> {
  const hosts: Host[] = [];
  for (const n of [1, 2]) {
    const host = await Host.create(scope);
    await host.veth(scope, 'eth0', `p${n}`, instance.host);
    await instance.vsctl(
      'add-port',
      'br0',
      `p${n}`,
      '--',
      'set',
      'interface',
      `p${n}`,
      `ofport_request=${n}`,
    );
    hosts.push(host);
  }
  const [a, b] = hosts as [Host, Host];
  return openedSockets({ name: 'veth', a, b, address: '' });
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
