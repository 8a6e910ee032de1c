/** Ports: devices with our program at their ingress, by number, and how to send to them. */
import { createHash } from 'node:crypto';
import type { Link } from '@heddle/linux/rtnetlink/link';
import { SystemError } from '@heddle/runtime';
import type { DpPort, OdpPort, PortStats, TunnelVportType, VportType } from '../dpif.ts';
import { type Policing, policingBuckets } from '../meter.ts';
import { isTunnelVport, TUNNEL_VPORT_TYPES } from '../tunnel-vport.ts';
import type { Devices } from './devices.ts';
import { OUT, OUT_PEER, OUT_TUNNEL, PEER_MAC_BYTES, PORT, PORT_NOTE, PORT_STAT } from './layout.ts';
import type { Links } from './links.ts';
import type { MeterTable } from './meter-table.ts';
import type { Programs } from './programs.ts';
import { SlotAllocator } from './slots.ts';
import { tunnelCode } from './underlay.ts';

/** Every IPv6 receiver takes this much; longer packets go through the device's own check. */
const PEER_MAX = 1280;
const MAX_PORTS = 65535;
const HIDDEN_MTU = 65535;
/** What a veth has until somebody gives it a qdisc. */
const NO_QDISC = 'noqueue';
const TYPES: readonly VportType[] = ['system', 'internal', 'tap', ...TUNNEL_VPORT_TYPES];
const ANY_MTU = 0xffff;

export interface Port extends DpPort {
  name: string;
  readonly slot: number;
  /** Of the device that carries the program; 0 when it vanished. */
  ifindex: number;
}

/** The datapath's end of an internal port's veth. */
export function hiddenName(instance: string, name: string): string {
  return `hd${createHash('sha256').update(`${instance}/${name}`).digest('hex').slice(0, 12)}`;
}

export class PortTable {
  readonly #programs: Programs;
  readonly #devices: Devices;
  readonly #instance: string;
  readonly #links: Links;
  readonly #meters: MeterTable;
  readonly #outs: Uint32Array;
  readonly #peerMacs: Uint8Array;
  readonly #ports = new Map<OdpPort, Port>();
  readonly #byIfindex = new Map<number, Port>();
  readonly #byName = new Map<string, Port>();
  readonly #slots: SlotAllocator;
  readonly #listeners: ((port: OdpPort) => void)[] = [];
  #tunnelsChanged: (ifindex?: number) => void = () => {};
  /** No number below it is free. */
  #firstFree = 1;

  constructor(
    programs: Programs,
    devices: Devices,
    links: Links,
    options: { instance: string; now: () => number; meters: MeterTable },
  ) {
    this.#programs = programs;
    this.#devices = devices;
    this.#instance = options.instance;
    this.#links = links;
    this.#meters = options.meters;
    this.#outs = new Uint32Array(programs.maps['outs']!.memory());
    this.#peerMacs = new Uint8Array(programs.maps['peer_macs']!.memory());
    // Slot 0 is for what the daemon itself sends.
    const { maxEntries } = programs.maps['port_stats']!.info;
    this.#slots = new SlotAllocator(maxEntries, options.now, undefined, 1);
    devices.watch((ifindex, link) => this.#deviceChanged(ifindex, link));
  }

  ports(): Iterable<Port> {
    return this.#ports.values();
  }

  get(port: OdpPort): Port | undefined {
    return this.#ports.get(port);
  }

  onChange(listener: (port: OdpPort) => void): void {
    this.#listeners.push(listener);
  }

  /** Told when tunnel ports come or go and, with its ifindex, when a device becomes a port. */
  onTunnels(listener: (ifindex?: number) => void): void {
    this.#tunnelsChanged = listener;
  }

  isPortDevice(ifindex: number): boolean {
    return this.#byIfindex.has(ifindex);
  }

  /** A port that no device stands for. Throws EBUSY when there is one of that name. */
  addTunnel(name: string, type: TunnelVportType, dstPort: number, requested?: OdpPort): OdpPort {
    if (this.#byName.has(name)) throw new SystemError('EBUSY', name);
    const slot = this.#slots.take();
    if (slot === undefined) throw new SystemError('EFBIG', 'too many ports');
    const port: Port = { portNo: this.#number(requested), name, type, slot, ifindex: 0, dstPort };
    this.#clearCounts(slot);
    this.#index(port);
    this.#writeNote(port);
    this.#describeTunnel(port);
    this.#tunnelsChanged();
    return port.portNo;
  }

  #describeTunnel(port: Port): void {
    const at = port.portNo * OUT.words;
    const o = this.#outs;
    o[at + OUT.mtu] = ANY_MTU;
    o[at + OUT.peerMax] = 0;
    o[at + OUT.slotAndMode] = port.slot | (OUT_TUNNEL << 16);
    o[at + OUT.ifindex] = tunnelCode(port.type);
  }

  add(name: string, type: VportType, requested?: OdpPort): OdpPort {
    this.#devices.finishRemovals();
    const known = this.#byName.get(name);
    if (known !== undefined) {
      if (known.ifindex !== 0) throw new SystemError('EBUSY', name);
      this.remove(known.portNo);
    }
    const portNo = this.#number(requested ?? known?.portNo);
    const device = this.#openDevice(name, type);
    const slot = this.#slots.take();
    if (slot === undefined) throw new SystemError('EFBIG', 'too many ports');
    const port: Port = { portNo, name, type, slot, ifindex: device.index };
    try {
      this.#clearCounts(slot);
      this.#enter(port, device);
    } catch (e) {
      this.#slots.release(slot);
      this.#leave(port);
      if (type === 'internal') this.#devices.remove(name);
      throw e;
    }
    return portNo;
  }

  remove(portNo: OdpPort): void {
    const port = this.#ports.get(portNo);
    if (port === undefined) throw new SystemError('ENODEV', `port ${portNo}`);
    this.#ports.delete(portNo);
    if (portNo > 0) this.#firstFree = Math.min(this.#firstFree, portNo);
    if (this.#byName.get(port.name) === port) this.#byName.delete(port.name);
    this.#programs.maps['port_notes']!.delete(portNo);
    const { ifindex } = port;
    if (isTunnelVport(port.type)) {
      this.#outs[portNo * OUT.words + OUT.ifindex] = 0;
      this.#slots.release(port.slot);
      this.#tunnelsChanged();
      return;
    }
    this.#leave(port);
    this.#slots.release(port.slot);
    if (port.type === 'internal') {
      this.#devices.removeSoon(hiddenName(this.#instance, port.name));
    } else if (ifindex !== 0 && this.#devices.rtnl.link(ifindex) !== undefined) {
      this.#devices.rtnl.setLink(ifindex, { promisc: false });
    }
  }

  /** Reads what an earlier daemon left and compares it with the devices that there are. */
  adopt(): void {
    const notes = this.#programs.maps['port_notes']!;
    const devices = new Map(this.#devices.rtnl.links({ stats: false }).map((l) => [l.index, l]));
    const used = new Set<number>();
    for (const key of [...notes.keys()]) {
      const note = Buffer.from(notes.lookup(key)!);
      const portNo = key.readUInt32LE(0);
      const ifindex = note.readUInt32LE(PORT_NOTE.ifindex);
      const end = note.indexOf(0);
      const name = note.toString('utf8', 0, Math.min(end < 0 ? 16 : end, 16));
      const type = TYPES[note.readUInt32LE(PORT_NOTE.type)]!;
      const slot = this.#outs[portNo * OUT.words + OUT.slotAndMode]! & 0xffff;
      used.add(slot);
      if (isTunnelVport(type)) {
        const port: Port = { portNo, name, type, slot, ifindex: 0, dstPort: ifindex };
        this.#index(port);
        this.#describeTunnel(port);
        continue;
      }
      const port: Port = { portNo, name, type, slot, ifindex };
      this.#index(port);
      const device = devices.get(ifindex);
      if (device !== undefined && this.#links.isAttached(linkName(ifindex), ifindex)) {
        this.#describe(port, device);
      } else {
        this.#leave(port);
      }
    }
    this.#slots.adopt(used);
  }

  stats(portNo: OdpPort): PortStats {
    const port = this.#ports.get(portNo);
    if (port === undefined) throw new SystemError('ENODEV', `port ${portNo}`);
    const n = this.counts(port.slot);
    return {
      rxPackets: n[PORT_STAT.rxPackets]!,
      rxBytes: n[PORT_STAT.rxBytes]!,
      rxErrors: 0,
      rxDropped: n[PORT_STAT.rxDropped]!,
      rxOverErrors: 0,
      rxFrameErrors: 0,
      rxCrcErrors: 0,
      txPackets: n[PORT_STAT.txPackets]!,
      txBytes: n[PORT_STAT.txBytes]!,
      txErrors: 0,
      txDropped: n[PORT_STAT.txDropped]!,
      collisions: 0,
    };
  }

  /** The buckets are there before packets ask for them, and go after. */
  setPolicing(portNo: OdpPort, policing: Policing): void {
    const port = this.#ports.get(portNo);
    if (port === undefined) throw new SystemError('ENODEV', `port ${portNo}`);
    if (port.ifindex === 0) return;
    const buckets = policingBuckets(policing);
    if (!buckets) this.#writePort(port, port.ifindex, 0);
    const key = this.#meters.setPolicer(port.slot, buckets);
    if (key !== 0) this.#writePort(port, port.ifindex, key);
  }

  /** A slot's counters, summed over the CPUs. */
  counts(slot: number): number[] {
    return sumCpus(this.#programs.maps['port_stats']!.lookup(slot)!, PORT_STAT.words);
  }

  #clearCounts(slot: number): void {
    const map = this.#programs.maps['port_stats']!;
    map.update(slot, Buffer.alloc(map.elementSize));
  }

  #number(requested: OdpPort | undefined): OdpPort {
    if (requested !== undefined) {
      if (this.#ports.has(requested)) throw new SystemError('EEXIST', `port ${requested}`);
      return requested;
    }
    while (this.#firstFree < MAX_PORTS && this.#ports.has(this.#firstFree)) this.#firstFree++;
    if (this.#firstFree < MAX_PORTS) return this.#firstFree;
    throw new SystemError('EFBIG', 'too many ports');
  }

  /** The device that carries the program: for an internal port the hidden end, made here. */
  #openDevice(name: string, type: VportType): Link {
    const { rtnl } = this.#devices;
    let own = name;
    if (type === 'internal') {
      own = hiddenName(this.#instance, name);
      this.#openInternal(name, own);
    }
    const device = rtnl.link(own);
    if (device === undefined) throw new SystemError('ENODEV', name);
    if (device.master !== undefined) throw new SystemError('EBUSY', name);
    if (this.#byIfindex.has(device.index)) throw new SystemError('EBUSY', name);
    if (type !== 'internal') rtnl.setLink(device.index, { promisc: true });
    return device;
  }

  /**
   * A pair that is there stays, with its addresses and wherever its visible end has gone. The hidden
   * end takes any length: what the visible end can take, the kernel checks when it arrives there.
   */
  #openInternal(name: string, hidden: string): void {
    if (this.#devices.rtnl.link(hidden) !== undefined) return;
    if (this.#devices.rtnl.link(name) !== undefined) throw new SystemError('EEXIST', name);
    const alias = `heddle ${this.#instance} ${name}`;
    this.#devices.addVeth({ name }, { name: hidden, mtu: HIDDEN_MTU, alias });
  }

  /** Maps first, then the program: no packet meets it half known. */
  #enter(port: Port, device: Link): void {
    this.#writePort(port, device.index, 0);
    this.#index(port);
    this.#writeNote(port);
    this.#describe(port, device);
    const program = this.#programs.programs['port_in']!;
    this.#links.attach(linkName(device.index), program, device.index);
    this.#tunnelsChanged(device.index);
  }

  #writePort(port: Port, ifindex: number, policer: number): void {
    const entry = Buffer.alloc(PORT.bytes);
    entry.writeUInt32LE(port.portNo, PORT.portNo);
    entry.writeUInt32LE(port.slot, PORT.slot);
    entry.writeUInt32LE(policer, PORT.policer);
    this.#programs.maps['ports']!.update(ifindex, entry);
  }

  #index(port: Port): void {
    this.#ports.set(port.portNo, port);
    this.#byName.set(port.name, port);
    if (port.ifindex !== 0) this.#byIfindex.set(port.ifindex, port);
  }

  #writeNote(port: Port): void {
    const note = Buffer.alloc(PORT_NOTE.bytes);
    note.write(port.name, PORT_NOTE.name, 15);
    note.writeUInt32LE(TYPES.indexOf(port.type), PORT_NOTE.type);
    note.writeUInt32LE(port.dstPort ?? port.ifindex, PORT_NOTE.ifindex);
    this.#programs.maps['port_notes']!.update(port.portNo, note);
  }

  /** How to send to the port. The entry counts as absent until its ifindex is written, last. */
  #describe(port: Port, device: Link): void {
    // What goes to the peer directly passes no qdisc, and no device that is down: such a one does so by itself.
    const peer =
      device.kind === 'veth' &&
      device.up &&
      device.peerNetnsid !== undefined &&
      device.qdisc === NO_QDISC;
    const other = peer ? this.#devices.peer(device) : undefined;
    const peerMtu = peer ? (other?.mtu ?? PEER_MAX) : 0;
    // Without an address nothing goes to it directly.
    this.#peerMacs.set(macBytes(other?.mac ?? ''), port.portNo * PEER_MAC_BYTES);
    const at = port.portNo * OUT.words;
    const o = this.#outs;
    o[at + OUT.mtu] = device.mtu;
    o[at + OUT.peerMax] = Math.min(PEER_MAX, device.mtu, peerMtu);
    o[at + OUT.slotAndMode] = port.slot | ((peer ? OUT_PEER : 0) << 16);
    o[at + OUT.ifindex] = device.index;
  }

  /** Its device has been set by us. */
  deviceSet(portNo: OdpPort): void {
    const port = this.#ports.get(portNo);
    if (port === undefined || port.ifindex === 0) return;
    const device = this.#devices.rtnl.link(port.ifindex);
    if (device !== undefined) this.#describe(port, device);
  }

  /** Takes a port out of traffic. */
  #leave(port: Port): void {
    if (port.ifindex === 0) return;
    this.#outs[port.portNo * OUT.words + OUT.ifindex] = 0;
    this.#programs.maps['ports']!.delete(port.ifindex);
    this.#meters.setPolicer(port.slot, undefined);
    this.#links.detach(linkName(port.ifindex), port.ifindex);
    this.#byIfindex.delete(port.ifindex);
    port.ifindex = 0;
  }

  #deviceChanged(ifindex: number, device: Link | undefined): void {
    if (ifindex === 0) {
      this.#sweep();
      return;
    }
    const port = this.#byIfindex.get(ifindex);
    if (port === undefined) {
      this.#peerCame(device);
      return;
    }
    if (device === undefined) {
      this.#leave(port);
    } else {
      if (port.type !== 'internal' && device.name !== port.name) {
        this.#rename(port, device.name);
      }
      this.#describe(port, device);
    }
    for (const l of this.#listeners) l(port.portNo);
  }

  /** A veth's end that comes into our namespace is not to be reached by bpf_redirect_peer any more. */
  #peerCame(peer: Link | undefined): void {
    if (peer?.peerIndex === undefined || peer.peerNetnsid !== undefined) return;
    const port = this.#byIfindex.get(peer.peerIndex);
    const device = port && this.#devices.rtnl.link(port.ifindex);
    if (device !== undefined) this.#describe(port!, device);
  }

  #rename(port: Port, name: string): void {
    if (this.#byName.get(port.name) === port) this.#byName.delete(port.name);
    port.name = name;
    this.#byName.set(name, port);
    this.#writeNote(port);
  }

  /** Looks for ports whose devices left unnoticed. */
  #sweep(): void {
    const there = new Set(this.#devices.rtnl.links({ stats: false }).map((l) => l.index));
    for (const p of [...this.#byIfindex.values()])
      if (!there.has(p.ifindex)) this.#deviceChanged(p.ifindex, undefined);
  }
}

function macBytes(mac: string): Uint8Array {
  const bytes = new Uint8Array(PEER_MAC_BYTES);
  if (mac !== '') bytes.set(mac.split(':').map((octet) => Number.parseInt(octet, 16)));
  return bytes;
}

function linkName(ifindex: number): string {
  return `port_${ifindex}`;
}

/** Sums per-CPU arrays of 64-bit counters. */
export function sumCpus(element: Buffer, words: number, at = 0, stride = words * 8): number[] {
  const out: number[] = new Array(words).fill(0);
  for (let cpu = 0; cpu < element.length; cpu += stride)
    for (let w = 0; w < words; w++) {
      const o = cpu + at + 8 * w;
      out[w]! += element.readUInt32LE(o) + element.readUInt32LE(o + 4) * 2 ** 32;
    }
  return out;
}
