/** A switch with flows, peers that are connected to it, and whether it bears them. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Instance, type Scope } from '@heddle/testing';
import { hello, RawPeer } from './raw-peer.ts';
import { barrier, isBarrierReply } from './raw-requests.ts';

const MEGABYTES = 1 << 20;

export class HostileWorld {
  readonly ours: Instance;
  readonly #scope: Scope;
  #baseBytes = 0;

  private constructor(scope: Scope, ours: Instance) {
    this.#scope = scope;
    this.ours = ours;
  }

  /** A bridge `br0` with a dummy port p1 and as many flows. */
  static async create(scope: Scope, flows: number): Promise<HostileWorld> {
    const switchArgs = ['--enable-dummy=override', '--disable-system'];
    const ours = await Instance.ours(scope, { switchArgs });
    await ours.vsctl(
      ...['add-br', 'br0', '--', 'set', 'bridge', 'br0', 'fail_mode=secure'],
      ...['--', 'add-port', 'br0', 'p1', '--', 'set', 'interface', 'p1', 'ofport_request=1'],
    );
    const file = join(ours.directory, 'flows');
    const lines = Array.from({ length: flows }, (_, i) => `tcp,tp_src=${i},actions=1`);
    writeFileSync(file, lines.join('\n'));
    await ours.exec('ovs-ofctl', '--bundle', 'add-flows', 'br0', file);
    const world = new HostileWorld(scope, ours);
    await world.isWell(Infinity);
    world.#baseBytes = world.#residentBytes();
    return world;
  }

  #residentBytes(): number {
    const status = readFileSync(`/proc/${this.ours.pid('ovs-vswitchd')}/status`, 'utf8');
    return Number(/VmRSS:\s*(\d+) kB/.exec(status)![1]) * 1024;
  }

  dial(): Promise<RawPeer> {
    return RawPeer.connect(this.#scope, join(this.ours.directory, 'br0.mgmt'));
  }

  /** A peer of OpenFlow 1.4 that has said hello; `isDeaf`: it never reads. */
  async peer(isDeaf = false): Promise<RawPeer> {
    const conn = await this.dial();
    if (isDeaf) conn.socket.pause();
    conn.send(hello(5));
    return conn;
  }

  /** Others are answered, and memory has not grown beyond what garbage of the heap explains. */
  async isWell(limitBytes = 200 * MEGABYTES): Promise<void> {
    const conn = await this.peer();
    conn.send(barrier(5, 7));
    assert.ok(await conn.next(isBarrierReply));
    conn.socket.destroy();
    const grown = this.#residentBytes() - this.#baseBytes;
    assert.ok(grown < limitBytes, `${Math.round(grown / MEGABYTES)} MB more`);
  }
}
