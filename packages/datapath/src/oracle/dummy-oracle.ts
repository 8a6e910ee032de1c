/**
 * The distribution's ovs-vswitchd with its dummy datapath, in a run directory of its own: frames
 * in, the keys that it extracts and the frames that it transmits out.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type PcapRecord, parsePcap, toHex } from '@heddle/packet';
import { SCHEMA, terminate } from './reference-daemons.ts';

export class DummyOracle implements Disposable {
  readonly dir = mkdtempSync(join(tmpdir(), 'heddle-oracle-'));
  readonly #env: NodeJS.ProcessEnv;

  /** One bridge `br0` with dummy ports `p1` to `pN`; their datapath port numbers are 1 to N. */
  constructor(ports: number) {
    const d = this.dir;
    this.#env = { ...process.env, OVS_RUNDIR: d, OVS_DBDIR: d, OVS_LOGDIR: d, OVS_SYSCONFDIR: d };
    const db = `unix:${d}/db.sock`;
    this.#run('ovsdb-tool', ['create', `${d}/conf.db`, SCHEMA]);
    this.#run('ovsdb-server', ['--detach', '--pidfile', `--remote=p${db}`, `${d}/conf.db`]);
    this.#run('ovs-vsctl', [`--db=${db}`, '--no-wait', 'init']);
    const dummy = ['--enable-dummy=override', '--disable-system', '-vconsole:off'];
    this.#run('/usr/sbin/ovs-vswitchd', ['--detach', '--pidfile', '--log-file', ...dummy, db]);
    const setup = ['set', 'Open_vSwitch', '.', 'other_config:vlan-limit=0'];
    setup.push('--', 'add-br', 'br0', '--', 'set', 'Bridge', 'br0');
    setup.push('datapath_type=dummy', 'fail_mode=secure');
    for (let i = 1; i <= ports; i++) {
      setup.push('--', 'add-port', 'br0', `p${i}`, '--', 'set', 'Interface', `p${i}`);
      setup.push('type=dummy', `ofport_request=${i}`, `options:tx_pcap=${this.#pcap(i)}`);
    }
    this.#run('ovs-vsctl', [`--db=${db}`, ...setup]);
    this.appctl('vlog/set', 'dpif_netdev:file:dbg');
    this.appctl('vlog/disable-rate-limit', 'dpif_netdev');
    this.appctl('upcall/disable-megaflows');
  }

  [Symbol.dispose](): void {
    for (const daemon of ['ovs-vswitchd', 'ovsdb-server']) {
      const pidfile = join(this.dir, `${daemon}.pid`);
      if (existsSync(pidfile)) terminate(Number(readFileSync(pidfile, 'utf8')));
    }
    rmSync(this.dir, { recursive: true, force: true });
  }

  /** Throws with the daemon's error text. */
  appctl(...args: string[]): string {
    return this.#run('ovs-appctl', ['-T', '10', ...args]);
  }

  /**
   * Injects frames; returns the text of each key that missed, in order, as the daemon logs it.
   * Frames must have different keys, or the later ones hit the flow of the first.
   */
  async missKeys(port: number, frames: readonly Uint8Array[]): Promise<string[]> {
    this.appctl('dpctl/del-flows');
    const log = join(this.dir, 'ovs-vswitchd.log');
    const start = statSync(log).size;
    let keys: string[] = [];
    // The dummy device queues few packets: wait for each batch.
    for (let sent = 0; sent < frames.length; ) {
      const batch = frames.slice(sent, sent + 50);
      this.receive(port, batch);
      sent += batch.length;
      for (let tries = 0; tries < 100 && keys.length < sent; tries++) {
        if (tries > 0) await sleep(10);
        const text = readFileSync(log).subarray(start).toString('latin1');
        keys = [...text.matchAll(/miss upcall:\n(.*)\n/g)].map((m) => m[1]!);
      }
    }
    return keys;
  }

  receive(port: number, frames: readonly Uint8Array[]): void {
    this.appctl('netdev-dummy/receive', `p${port}`, ...frames.map(toHex));
  }

  /** All that a port has transmitted so far. */
  transmitted(port: number): PcapRecord[] {
    const file = this.#pcap(port);
    return existsSync(file) ? parsePcap(readFileSync(file)) : [];
  }

  #pcap(port: number): string {
    return join(this.dir, `p${port}-tx.pcap`);
  }

  #run(command: string, args: string[]): string {
    const stdio = ['ignore', 'pipe', 'pipe'] as ['ignore', 'pipe', 'pipe'];
    return execFileSync(command, args, { env: this.#env, stdio, timeout: 20_000 }).toString();
  }
}
