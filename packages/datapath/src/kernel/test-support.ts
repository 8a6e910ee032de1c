/** For tests: a network namespace of our own, and datapaths whose ports' other ends we hold. */
import { writeFileSync } from 'node:fs';
import { check, syscall } from '@heddle/linux/native';
import { createAnonymousNetns, withNetns } from '@heddle/linux/netns';
import { PACKET_OUTGOING, PacketSocket } from '@heddle/linux/packet-socket';
import { Rtnl } from '@heddle/linux/rtnetlink/rtnl';
import type { Fd } from '@heddle/linux/socket';
import { SYS } from '@heddle/linux/syscalls';
import type { ComplianceProvider } from '../compliance.ts';
import type { OdpPort } from '../dpif.ts';
import type { KernelDpif } from './kernel-dpif.ts';
import { type KernelDpifOptions, openKernelDpif } from './open.ts';

const CLONE_NEWNET = 0x40000000;
const SETTLE_MS = 20;
/** The kernel has seen to the device: it drops no more. */
const IF_OPER_UP = 6;

export const TEST_PIN_ROOT = '/sys/fs/bpf/heddle-test';

/** Small enough that many instances fit a test machine. */
export const TEST_SIZES = {
  flows: 4096,
  ports: 2048,
  chunks: 512,
  ringBytes: 4 << 20,
  connections: 8192,
};

/** Moves this process's main thread, and what it starts, to a new namespace. */
export function enterNewNetns(): void {
  check(syscall(SYS.unshare, CLONE_NEWNET), 'unshare');
  quiet();
}

function quiet(): void {
  writeFileSync('/proc/sys/net/ipv6/conf/all/disable_ipv6', '1');
  writeFileSync('/proc/sys/net/ipv6/conf/default/disable_ipv6', '1');
}

let instances = 0;

export function testOptions(options: Partial<KernelDpifOptions> = {}): KernelDpifOptions {
  const instance = `t${process.pid}x${instances++}`;
  return { instance, pinRoot: TEST_PIN_ROOT, sizes: TEST_SIZES, ...options };
}

export function delay(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Waits, at most `ms`, until `condition` holds. */
export async function until(condition: () => boolean, ms = 5000): Promise<boolean> {
  for (const end = Date.now() + ms; Date.now() < end; await delay(5)) if (condition()) return true;
  return condition();
}

/** Ports `x1` … with their peers `y1` … in a namespace of the hosts. */
export class Rig implements ComplianceProvider {
  readonly dpif: KernelDpif;
  readonly hosts: Fd;
  readonly ports: OdpPort[] = [];
  readonly #sockets = new Map<OdpPort, PacketSocket>();

  constructor(dpif: KernelDpif) {
    this.dpif = dpif;
    this.hosts = createAnonymousNetns();
    withNetns(this.hosts, quiet);
  }

  static async open(ports: number, options: Partial<KernelDpifOptions> = {}): Promise<Rig> {
    const rig = new Rig(await openKernelDpif(testOptions(options)));
    await rig.addPorts(ports);
    return rig;
  }

  /** `listen`: with a socket at the other end, for `send` and `received`. */
  async addPorts(count: number, options: { listen?: boolean; mtu?: number } = {}): Promise<void> {
    using rtnl = new Rtnl();
    using there = new Rtnl(this.hosts);
    const mtu = options.mtu ?? 1500;
    for (let i = 0; i < count; i++) {
      const n = this.ports.length + 1;
      const peer = { name: `y${n}`, netns: this.hosts, up: true, mtu };
      rtnl.createVeth({ name: `x${n}`, up: true, mtu }, peer);
      const port = await this.dpif.portAdd(`x${n}`, 'system');
      this.ports.push(port);
      if (options.listen === false) continue;
      const ifindex = there.link(`y${n}`)!.index;
      const make = () => new PacketSocket({ ifindex, bufferBytes: 1 << 20, promisc: true });
      this.#sockets.set(port, withNetns(this.hosts, make));
    }
    const areUp = (side: Rtnl, names: RegExp) =>
      side
        .links({ stats: false })
        .every((l) => !names.test(l.name) || l.attributes.operstate === IF_OPER_UP);
    await until(() => areUp(rtnl, /^x\d/) && areUp(there, /^y\d/));
  }

  send(port: OdpPort, frame: Uint8Array): void {
    this.#sockets.get(port)!.send(frame);
  }

  socket(port: OdpPort): PacketSocket {
    return this.#sockets.get(port)!;
  }

  received(port: OdpPort): Uint8Array[] {
    const frames: Uint8Array[] = [];
    for (;;) {
      const batch = this.#sockets.get(port)!.receive();
      if (batch.length === 0) return frames;
      for (const p of batch) if (p.type !== PACKET_OUTGOING) frames.push(p.frame);
    }
  }

  async settle(): Promise<void> {
    await delay(SETTLE_MS);
    await until(() => !this.dpif.upcallsPending());
  }

  async close(): Promise<void> {
    for (const s of this.#sockets.values()) s.close();
    // The hosts' namespace takes the devices with it, all at once.
    this.hosts.close();
    using rtnl = new Rtnl();
    const ours = () => rtnl.links({ stats: false }).filter((l) => l.name.startsWith('x'));
    await until(() => ours().length === 0, 500);
    for (const link of ours()) rtnl.deleteLink(link.index);
    await this.dpif.destroy();
  }
}
