/** The veth through which the daemon's packets enter the datapath. */
import { createHash } from 'node:crypto';
import type { Fd } from '@heddle/linux/socket';
import { getSysctl, setSysctl } from '@heddle/linux/sysctl';
import type { Devices } from './devices.ts';
import { type Engine, nowMs } from './engine.ts';
import { Injector } from './injector.ts';
import { STATE } from './layout.ts';
import type { Links } from './links.ts';
import { openInjectionSocket } from './packet-socket.ts';

/** Whatever a port can take may come back from the daemon. */
const MTU = 65535;
export const LINK_NAME = 'inject';

export class Injection implements Disposable {
  readonly injector: Injector;
  readonly #devices: Devices;
  readonly #near: string;
  readonly #socket: Fd;

  /** Uses what an earlier daemon made when it is whole, else makes it anew. */
  constructor(engine: Engine, devices: Devices, instance: string, links: Links) {
    this.#devices = devices;
    const base = `hdi${createHash('sha256').update(instance).digest('hex').slice(0, 8)}`;
    this.#near = `${base}n`;
    const far = `${base}f`;
    const { rtnl } = devices;
    const farIndex = rtnl.link(far)?.index ?? 0;
    if (!links.isAttached(LINK_NAME, farIndex) || rtnl.link(this.#near) === undefined) {
      links.detach(LINK_NAME, farIndex);
      devices.remove(this.#near);
      const alias = `heddle ${instance} injection`;
      const common = { mtu: MTU, up: true, alias };
      devices.addVeth({ name: this.#near, ...common }, { name: far, ...common }, true);
      const program = engine.programs.programs['inject_in']!;
      links.attach(LINK_NAME, program, rtnl.link(far)!.index);
    }
    this.#allowRouting();
    const { maps } = engine.programs;
    const ifindex = rtnl.link(this.#near)!.index;
    new Uint32Array(maps['state']!.memory())[STATE.injectIfindex] = ifindex;
    this.#socket = openInjectionSocket(ifindex);
    this.injector = new Injector(
      this.#socket.number,
      maps['ctxs']!,
      engine.chunks,
      engine.names,
      nowMs,
    );
  }

  /**
   * Programs ask for tunnels' routes as a router would that receives by this device; nothing else
   * ever arrives by it.
   */
  #allowRouting(): void {
    for (const family of ['ipv4', 'ipv6']) {
      const knob = `net/${family}/conf/${this.#near}/forwarding`;
      if (getSysctl(knob) !== undefined) setSysctl(knob, 1);
    }
  }

  remove(): void {
    this.#devices.remove(this.#near);
  }

  [Symbol.dispose](): void {
    this.#socket.close();
  }
}
