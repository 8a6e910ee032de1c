/**
 * The distribution's userspace conntrack: frames in at dummy ports, frames out of them, time held
 * and warped, and its tables as `dpctl` prints them.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parsePcap, toHex } from '@heddle/packet';
import { SwitchOracle } from './switch-oracle.ts';

export class ConntrackOracle implements Disposable {
  readonly #oracle = new SwitchOracle();
  readonly #ports: number;
  readonly #seen: number[];

  /** `br0` with ports `p1` to `pN`; the time stands still. */
  constructor(ports: number) {
    this.#ports = ports;
    this.#seen = Array.from({ length: ports }, () => 0);
  }

  async open(): Promise<void> {
    const args = ['add-br', 'br0', '--', 'set', 'bridge', 'br0', 'datapath_type=dummy'];
    args.push('fail-mode=secure');
    for (let i = 1; i <= this.#ports; i++) {
      args.push('--', 'add-port', 'br0', `p${i}`, '--', 'set', 'interface', `p${i}`, 'type=dummy');
      args.push(`ofport_request=${i}`, `options:tx_pcap=${this.#pcap(i)}`);
    }
    this.#oracle.vsctl(...args);
    await this.appctl('time/stop');
  }

  [Symbol.dispose](): void {
    this.#oracle[Symbol.dispose]();
  }

  get dir(): string {
    return this.#oracle.dir;
  }

  appctl(command: string, ...args: string[]): Promise<string> {
    return this.#oracle.appctl(command, ...args);
  }

  vsctl(...args: string[]): string {
    return this.#oracle.vsctl(...args);
  }

  ofctl(...args: string[]): string {
    const env = { ...process.env, OVS_RUNDIR: this.dir };
    const stdio = ['pipe', 'pipe', 'pipe'] as ['pipe', 'pipe', 'pipe'];
    return execFileSync('/usr/bin/ovs-ofctl', args, { env, stdio, timeout: 20_000 }).toString();
  }

  /** Replaces all flows. */
  async flows(lines: readonly string[]): Promise<void> {
    this.ofctl('-O', 'OpenFlow15', 'del-flows', 'br0');
    writeFileSync(join(this.dir, 'flows'), lines.join('\n'));
    this.ofctl('-O', 'OpenFlow15', 'add-flows', 'br0', join(this.dir, 'flows'));
    await this.appctl('revalidator/purge');
  }

  /** What left the ports for a frame, as `PORT:HEX`, port by port in the order sent. */
  async send(port: number, frame: Uint8Array): Promise<string[]> {
    await this.appctl('netdev-dummy/receive', `p${port}`, toHex(frame));
    return this.sent();
  }

  async sent(): Promise<string[]> {
    await this.#oracle.atRest();
    const out: string[] = [];
    for (let i = 1; i <= this.#ports; i++) {
      if (!existsSync(this.#pcap(i))) continue;
      const all = parsePcap(readFileSync(this.#pcap(i)));
      for (const { data } of all.slice(this.#seen[i - 1])) out.push(`${i}:${toHex(data)}`);
      this.#seen[i - 1] = all.length;
    }
    return out;
  }

  async warp(ms: number): Promise<void> {
    await this.appctl('time/warp', String(ms));
    await this.appctl('version');
    await this.#oracle.atRest();
  }

  #pcap(i: number): string {
    return join(this.dir, `p${i}-tx.pcap`);
  }
}
