/**
 * What tunnels need to know of the host: its addresses, and a program on each device that has one.
 * While there is no tunnel port nothing is attached and nothing followed.
 */
import { type Address, ipBytes } from '@heddle/linux/rtnetlink/ip';
import type { Link } from '@heddle/linux/rtnetlink/link';
import { IPPROTO_GRE, IPPROTO_UDP } from '@heddle/packet';
import { SystemError, vlog } from '@heddle/runtime';
import type { TunnelVportType } from '../dpif.ts';
import { isTunnelVport } from '../tunnel-vport.ts';
import type { Coalescer } from './coalescer.ts';
import type { Devices } from './devices.ts';
import { STATE, TUNNEL_KEY_BYTES, TUNNEL_PORT_BYTES } from './layout.ts';
import type { Links } from './links.ts';
import type { Port, PortTable } from './port-table.ts';
import type { Programs } from './programs.ts';

const log = vlog.module('dpif');
/** Changes come in bursts. */
const SETTLE_MS = 10;
/** It takes longer with many devices: at most so large a part of the time. */
const MAX_SHARE = 1 / 20;
const LINK_NAME = /^under_(\d+)$/;

export class Underlay {
  readonly #programs: Programs;
  readonly #devices: Devices;
  readonly #links: Links;
  readonly #ports: PortTable;
  readonly #coalescer: Coalescer;
  readonly #state: Uint32Array;
  readonly #attached = new Set<number>();
  /** As of the last `sync`. */
  #tunnelCount = 0;
  #syncMs = 0;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(
    programs: Programs,
    devices: Devices,
    links: Links,
    ports: PortTable,
    coalescer: Coalescer,
  ) {
    this.#programs = programs;
    this.#devices = devices;
    this.#links = links;
    this.#ports = ports;
    this.#coalescer = coalescer;
    this.#state = new Uint32Array(programs.maps['state']!.memory());
    for (const name of links.names()) {
      const ifindex = LINK_NAME.exec(name)?.[1];
      if (ifindex !== undefined) this.#attached.add(Number(ifindex));
    }
    devices.watch(() => this.#soon());
    devices.watchAddresses(() => this.#soon());
    ports.onTunnels((ifindex) => {
      if (ifindex === undefined || this.#attached.has(ifindex)) this.sync();
    });
    this.sync();
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
  }

  #soon(): void {
    if (this.#closed || (this.#attached.size === 0 && this.#tunnelCount === 0)) return;
    const delayMs = Math.max(SETTLE_MS, this.#syncMs / MAX_SHARE);
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.sync();
    }, delayMs).unref();
  }

  #tunnels(): Port[] {
    return [...this.#ports.ports()].filter((p) => isTunnelVport(p.type));
  }

  /** Brings maps and programs in line with what there is. */
  sync(): void {
    const began = performance.now();
    const tunnels = this.#tunnels();
    this.#tunnelCount = tunnels.length;
    if (tunnels.length > 0) this.#coalescer.open();
    else this.#coalescer.close();
    this.#syncTunnels(tunnels);
    const { rtnl } = this.#devices;
    const addresses = tunnels.length === 0 ? [] : rtnl.addresses();
    this.#syncLocals(addresses);
    this.#state[STATE.tunnelsSeq]! += 1;
    const links = addresses.length === 0 ? [] : rtnl.links({ stats: false });
    const devices = new Map(links.map((l) => [l.index, l]));
    const wanted = new Set(
      addresses.filter((a) => isUnderlay(a, devices, this.#ports)).map((a) => a.ifindex),
    );
    for (const ifindex of [...this.#attached]) {
      if (wanted.has(ifindex) && this.#links.isAttached(linkName(ifindex), ifindex)) continue;
      this.#links.detach(linkName(ifindex), ifindex);
      this.#attached.delete(ifindex);
    }
    for (const ifindex of wanted) if (!this.#attached.has(ifindex)) this.#attach(ifindex);
    this.#syncMs = performance.now() - began;
  }

  #attach(ifindex: number): void {
    try {
      this.#links.attach(linkName(ifindex), this.#programs.programs['underlay_in']!, ifindex);
      this.#attached.add(ifindex);
    } catch (error) {
      // It may have left in the meantime; its going brings us here again.
      if (!(error instanceof SystemError)) throw error;
      log.rl.warn(`no tunnels through device ${ifindex}: ${error.message}`);
    }
  }

  #syncTunnels(tunnels: readonly Port[]): void {
    const map = this.#programs.maps['tunnels']!;
    const entries = new Map<number, Buffer>();
    for (const port of tunnels) {
      const dstPort = port.dstPort ?? 0;
      const udp = (IPPROTO_UDP << 16) | ((dstPort & 0xff) << 8) | (dstPort >> 8);
      const key = GRE_KEYS[port.type] ?? udp;
      const value = Buffer.alloc(TUNNEL_PORT_BYTES);
      value.writeUInt32LE(port.portNo, 0);
      value.writeUInt32LE(port.slot, 4);
      value.writeUInt32LE(tunnelCode(port.type), 8);
      entries.set(key, value);
    }
    for (const key of [...map.keys()]) if (!entries.has(key.readUInt32LE(0))) map.delete(key);
    for (const [key, value] of entries) map.update(key, value);
  }

  #syncLocals(addresses: readonly Address[]): void {
    const locals = new Map<string, Buffer>();
    const sources = new Map<string, readonly [Buffer, Buffer]>();
    for (const a of addresses) {
      const { family, bytes } = ipBytes(a.address);
      const key = Buffer.alloc(TUNNEL_KEY_BYTES);
      key.set(bytes);
      locals.set(key.toString('hex'), key);
      const source = Buffer.alloc(8);
      source.writeUInt32LE(a.ifindex, 0);
      source.writeUInt32LE(family, 4);
      if (!isLinkLocal(a.address)) {
        const name = source.toString('hex');
        if (!sources.has(name)) sources.set(name, [source, key]);
      }
    }
    const { locals: localMap, sources: sourceMap } = this.#programs.maps;
    for (const key of [...localMap!.keys()]) {
      if (!locals.has(key.toString('hex'))) localMap!.delete(key);
    }
    const one = Buffer.from([1, 0, 0, 0]);
    for (const key of locals.values()) localMap!.update(key, one);
    for (const key of [...sourceMap!.keys()]) {
      if (!sources.has(key.toString('hex'))) sourceMap!.delete(key);
    }
    for (const [key, value] of sources.values()) sourceMap!.update(key, value);
  }
}

const CODES: Readonly<Record<TunnelVportType, number>> = {
  vxlan: 1,
  geneve: 2,
  gre: 3,
  erspan: 4,
  'gre-l3': 5,
};
/** Where the packets of tunnels without a UDP port are looked for. */
const GRE_KEYS: Readonly<Partial<Record<Port['type'], number>>> = {
  gre: IPPROTO_GRE << 16,
  erspan: (IPPROTO_GRE << 16) | 1,
  'gre-l3': (IPPROTO_GRE << 16) | 2,
};

/** TUN_* in bpf/tunnel.h. */
export function tunnelCode(type: Port['type']): number {
  return CODES[type as TunnelVportType];
}

function linkName(ifindex: number): string {
  return `under_${ifindex}`;
}

function isLinkLocal(address: string): boolean {
  return /^fe[89ab]/i.test(address);
}

/** Whether an address makes its device one that tunnels may end at. */
function isUnderlay(a: Address, devices: ReadonlyMap<number, Link>, ports: PortTable): boolean {
  const device = devices.get(a.ifindex);
  if (device === undefined || device.name === 'lo' || isLinkLocal(a.address)) return false;
  return device.mac !== '' && !ports.isPortDevice(a.ifindex);
}
