/** Which device of the kernel has which QoS. */
import { Rtnl } from '@heddle/linux';
import { messageOf, vlog } from '@heddle/runtime';
import type { Iface } from '../iface.ts';
import { DeviceQos } from './device-qos.ts';
import type { QosConfig } from './qos-config.ts';
import type { DeviceFacts } from './tc-kind.ts';

const log = vlog.module('netdev_linux');

export class QosTable {
  readonly #byIface = new Map<Iface, DeviceQos>();
  readonly #nowMs: () => number;
  #rtnl: Rtnl | undefined;

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  of(iface: Iface): DeviceQos | undefined {
    return this.#byIface.get(iface);
  }

  /** `ifindex`: the device whose egress is the port's. */
  configure(
    iface: Iface,
    ifindex: number,
    config: QosConfig | undefined,
    facts: () => DeviceFacts,
  ): void {
    let qos = this.#byIface.get(iface);
    if (qos?.ifindex !== ifindex) {
      this.#rtnl ??= new Rtnl();
      qos = new DeviceQos(iface.name, ifindex, this.#rtnl, this.#nowMs);
      this.#byIface.set(iface, qos);
    } else if (!config && qos.isClear) return;
    qos.configure(config, facts());
  }

  /** The interface is closed. */
  remove(iface: Iface): void {
    this.#byIface.get(iface)?.remove();
    this.#byIface.delete(iface);
  }

  removeAll(): void {
    for (const iface of [...this.#byIface.keys()]) this.remove(iface);
  }

  removeLeftover(ifindex: number): void {
    this.#rtnl ??= new Rtnl();
    try {
      DeviceQos.removeLeftover(this.#rtnl, ifindex);
    } catch (error) {
      log.rl.warn(messageOf(error));
    }
  }

  close(): void {
    this.#rtnl?.close();
    this.#rtnl = undefined;
  }
}
