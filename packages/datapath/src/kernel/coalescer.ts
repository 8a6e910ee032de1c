/**
 * The veth through which TCP segments that tunnels bring pass GRO (bpf/coalesce.h), and the other way
 * super-packets that a tunnel must send one by one. It is there while there are tunnels.
 */
import { createHash } from 'node:crypto';
import { cpus } from 'node:os';
import { Ethtool } from '@heddle/linux/ethtool';
import type { Devices } from './devices.ts';
import { STATE } from './layout.ts';
import type { Links } from './links.ts';
import { kernelHasKfuncs, type Programs } from './programs.ts';

/** Segments come with whatever the network below lets through. */
const MTU = 65535;
/** Each has a ring and a NAPI context; streams are spread over them by hash. */
const MAX_QUEUES = 8;
export const COALESCE_LINK = 'coalesce';
export const SEGMENT_LINK = 'segment';

export class Coalescer {
  readonly #programs: Programs;
  readonly #devices: Devices;
  readonly #links: Links;
  readonly #alias: string;
  readonly #near: string;
  readonly #far: string;
  readonly #state: Uint32Array;

  constructor(programs: Programs, devices: Devices, links: Links, instance: string) {
    this.#programs = programs;
    this.#devices = devices;
    this.#links = links;
    this.#alias = `heddle ${instance} coalescing`;
    const base = `hdc${createHash('sha256').update(instance).digest('hex').slice(0, 8)}`;
    this.#near = `${base}n`;
    this.#far = `${base}f`;
    this.#state = new Uint32Array(programs.maps['state']!.memory());
  }

  /** Makes it, or uses what an earlier daemon made if that is whole. */
  open(): void {
    const { rtnl } = this.#devices;
    const near = rtnl.link(this.#near);
    const farIndex = rtnl.link(this.#far)?.index ?? 0;
    const isWhole =
      this.#links.isAttached(COALESCE_LINK, farIndex) &&
      this.#links.isAttached(SEGMENT_LINK, near?.index ?? 0);
    if (near !== undefined && isWhole) {
      this.#state[STATE.coalesceIfindex] = near.index;
      this.#state[STATE.segmentIfindex] = farIndex;
      return;
    }
    this.close();
    const queues = Math.min(cpus().length, MAX_QUEUES);
    const common = { mtu: MTU, up: true, alias: this.#alias };
    this.#devices.addVeth(
      { name: this.#near, ...common, txQueues: queues, rxQueues: 1 },
      { name: this.#far, ...common, txQueues: 1, rxQueues: queues, gsoMaxSegs: 1 },
      true,
    );
    using ethtool = new Ethtool();
    // A veth takes for GRO only what comes from a device that could not have kept it whole.
    ethtool.setFeature(this.#near, 'tso', false);
    ethtool.setFeature(this.#far, 'gro', true);
    // Programs that cannot tell whether a checksum is complete are given complete ones.
    if (!kernelHasKfuncs()) ethtool.setFeature(this.#far, 'txChecksum', false);
    const { coalesced_in, inject_in } = this.#programs.programs;
    const [nearIndex, newFar] = [rtnl.link(this.#near)!.index, rtnl.link(this.#far)!.index];
    this.#links.attach(COALESCE_LINK, coalesced_in!, newFar);
    this.#links.attach(SEGMENT_LINK, inject_in!, nearIndex);
    this.#state[STATE.coalesceIfindex] = nearIndex;
    this.#state[STATE.segmentIfindex] = newFar;
  }

  close(): void {
    const { rtnl } = this.#devices;
    this.#state[STATE.coalesceIfindex] = 0;
    this.#state[STATE.segmentIfindex] = 0;
    this.#links.detach(COALESCE_LINK, rtnl.link(this.#far)?.index ?? 0);
    this.#links.detach(SEGMENT_LINK, rtnl.link(this.#near)?.index ?? 0);
    this.#devices.remove(this.#near);
  }
}
