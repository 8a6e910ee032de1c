/** A switch on dummy devices, Open vSwitch's or ours, spoken to by its control socket. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parsePcap, toHex } from '@heddle/packet';
import { unixctlCall } from '@heddle/runtime';
import { Host, Instance, type Scope } from '@heddle/testing';

export class DummySwitch {
  readonly instance: Instance;

  constructor(instance: Instance) {
    this.instance = instance;
  }

  /** Ours and Open vSwitch's. */
  static async pair(scope: Scope): Promise<[DummySwitch, DummySwitch]> {
    const switchArgs = ['--enable-dummy=override', '--disable-system'];
    const start = async (kind: 'ours' | 'oracle') =>
      new DummySwitch(await Instance[kind](scope, { switchArgs, host: await Host.create(scope) }));
    return [await start('ours'), await start('oracle')];
  }

  async appctl(command: string, ...args: string[]): Promise<string> {
    const { result, error } = await this.ask(command, ...args);
    assert.equal(error ?? '', '', command);
    return result ?? '';
  }

  /** As `appctl`, where a refusal is an answer, too. */
  ask(command: string, ...args: string[]): ReturnType<typeof unixctlCall> {
    const { directory } = this.instance;
    const socket = join(directory, `ovs-vswitchd.${this.instance.pid('ovs-vswitchd')}.ctl`);
    return unixctlCall(socket, command, args);
  }

  /** `ms` in steps, as whoever waits for time to pass does it. */
  async warp(ms: number, stepMs = 100): Promise<void> {
    for (let at = 0; at < ms; at += stepMs) await this.appctl('time/warp', String(stepMs));
  }

  /** For `options:tx_pcap` of a port. */
  pcap(port: string): string {
    return join(this.instance.directory, `${port}.pcap`);
  }

  /** What a port has sent, as hex. */
  transmitted(port: string): string[] {
    return parsePcap(readFileSync(this.pcap(port))).map(({ data }) => toHex(data));
  }
}
