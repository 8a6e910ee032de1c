/**
 * The one interface to every forwarding engine. The switch sees ports, megaflows and upcalls;
 * engines see keys, masks and actions and know nothing of OpenFlow or of the database.
 */
import type { Flow } from '@heddle/packet';
import type { CtEntry } from './conntrack/format.ts';
import type { IpfStatus } from './conntrack/ipf.ts';
import type { CtTimeouts } from './conntrack/timeouts.ts';
import type { DpMeters, Policing } from './meter.ts';
import type { OdpAction } from './odp-actions.ts';
import type { Ufid } from './odp-ufid.ts';

/** A datapath port number, 0 to 65535 (`OVSP_LOCAL` is 0), as `in_port(N)` in a flow dump. */
export type OdpPort = number;

/** Device kinds as `ovs-dpctl show` prints them; `system` is any device that exists already. */
export type VportType =
  | 'system'
  | 'internal'
  | 'tap'
  | 'dummy'
  | 'dummy-internal'
  | 'dummy-pmd'
  | TunnelVportType;

/**
 * A port without a device: what goes out of it is wrapped as the flow's last `set(tunnel(...))`
 * says and routed by the host; what arrives for this host at `dstPort` comes in by it. What `gre-l3`
 * carries has no Ethernet header: frames that come by it have addresses of 0 in the place of one.
 */
export type TunnelVportType = 'vxlan' | 'geneve' | 'gre' | 'erspan' | 'gre-l3';

/** What a tunnel port of the datapath has of its own. */
export interface TunnelVportOptions {
  /** UDP port; 0 for GRE and ERSPAN. */
  readonly dstPort: number;
}

/** A port of the datapath. `name` is the device's name; it may move to another namespace. */
export interface DpPort {
  readonly portNo: OdpPort;
  readonly name: string;
  readonly type: VportType;
  /** Of the device, where the engine has one; 0 when it has vanished. */
  readonly ifindex?: number | undefined;
  /** What `show` tells behind the type. */
  readonly config?: string | undefined;
  /** Of a tunnel port. */
  readonly dstPort?: number;
}

/** Offload state that travels with a packet (struct virtio_net_hdr, linux/virtio_net.h). */
export interface VnetHdr {
  flags: number;
  gsoType: number;
  hdrLen: number;
  gsoSize: number;
  csumStart: number;
  csumOffset: number;
}

/**
 * A frame as it is on the wire: every VLAN tag inline, whatever the NIC kept in metadata.
 * `vnet` is undefined when the frame has complete checksums and is one segment.
 */
export interface DpPacket {
  data: Uint8Array;
  vnet?: VnetHdr | undefined;
  /** What an engine's queues go by (`set(skb_priority(N))`), where it was set before. */
  priority?: number;
}

/** A packet that the datapath could not decide (`miss`) or was told to send up (`action`). */
export interface Upcall {
  readonly type: 'miss' | 'action';
  /** The key as the datapath extracted it; `flow.inPort` is the datapath port. */
  readonly flow: Flow;
  readonly packet: DpPacket;
  /** What the `userspace` action carried. */
  readonly userdata?: Uint8Array | undefined;
}

/** What a megaflow has counted since it was installed. */
export interface FlowStats {
  packets: number;
  bytes: number;
  /** Milliseconds on the clock of the datapath (`Dpif.nowMs`), undefined when never used. */
  usedMs: number | undefined;
  /** Union of the TCP flags seen. */
  tcpFlags: number;
}

/**
 * A megaflow: a packet whose key, masked with `mask`, equals `key` is treated by `actions`. Engines
 * keep mask and actions as they are given: whoever put a flow changes neither afterwards.
 */
export interface DpFlow {
  readonly key: Flow;
  readonly mask: Flow;
  readonly actions: readonly OdpAction[];
  /** Of key and mask, where it is known already. */
  readonly ufid?: Ufid;
}

/** A megaflow as the datapath has it. */
export interface InstalledFlow extends DpFlow {
  /** A pure function of key and mask, and one object as long as the flow is there. */
  readonly ufid: Ufid;
  readonly stats: FlowStats;
}

/** As in the first lines of `ovs-dpctl show`. */
export interface DpStats {
  hit: number;
  missed: number;
  /** Upcalls lost because a queue was full. */
  lost: number;
  flows: number;
  masks: number;
  maskHit: number;
  cacheHit: number;
  /** Upcalls lost, by port. */
  lostByPort: ReadonlyMap<OdpPort, number>;
  /** Packets dropped by the engine itself, by reason. */
  drops: ReadonlyMap<string, number>;
}

/** What an engine that runs in the daemon has done with packets, since it began. */
export interface DpPerf {
  /** From devices. */
  received: number;
  /** Passes behind the first. */
  recirculated: number;
  hits: number;
  /** Masks that those hits looked at. */
  masksOfHits: number;
  missed: number;
  /** Of the missed, those that there was no room for on the way up. */
  lost: number;
  /** Out of devices, one at a time. */
  sent: number;
}

/**
 * Counters from the datapath's side: what its device does not count by itself is included. -1: not
 * counted.
 */
export interface PortStats {
  rxPackets: number;
  rxBytes: number;
  rxErrors: number;
  rxDropped: number;
  rxOverErrors: number;
  rxFrameErrors: number;
  rxCrcErrors: number;
  txPackets: number;
  txBytes: number;
  txErrors: number;
  txDropped: number;
  collisions: number;
  /** Counters of the device's own kind, by name. */
  custom?: ReadonlyMap<string, number>;
}

/** A packet to send through `actions`, in the context of `flow` (in_port, recirc_id, pkt_mark). */
export interface DpExecute {
  readonly flow: Flow;
  readonly packet: DpPacket;
  readonly actions: readonly OdpAction[];
}

/** `create` fails with EEXIST when the flow is there, `modify` with ENOENT when it is not. */
export type FlowPutMode = 'create' | 'modify' | 'put';

/** `system` is the kernel's, `netdev` the userspace datapath, `dummy` that of tests. */
export type DpType = 'system' | 'netdev' | 'dummy';

/** Which connections are meant: all of them, those of a zone, those that `which` chooses. */
export interface CtFilter {
  readonly zone?: number | undefined;
  readonly which?: ((entry: CtEntry) => boolean) | undefined;
}

/** Connections of a datapath, their limits and settings. */
export interface DpConntrack {
  /** Those whose time is not over. */
  entries(): Iterable<CtEntry>;
  /** Removes connections, some at each step of the generator; what it returns is how many. */
  flushing(filter: CtFilter): Generator<void, number>;
  readonly count: number;
  /** Connections that were not taken for want of room, and those that made room for others. */
  readonly refused: number;
  readonly evicted: number;
  /** How many there may be in all. */
  maxConnections: number;
  /** For zones without a limit of their own; 0: none. */
  defaultLimit: number;
  /** Zones with a limit of their own (0: none), in order. */
  zoneLimits(): Iterable<readonly [zone: number, limit: number]>;
  /** Undefined: the default from now on. */
  setZoneLimit(zone: number, limit: number | undefined): void;
  zoneCount(zone: number): number;
  /** Fragments that wait for the rest of their packets. */
  readonly ipf: IpfStatus;
  /** Whether TCP sequence numbers must lie in their windows. */
  checkSeq: boolean;
  /**
   * Seconds that connections of policy `id` (1 to 255, see `OdpCtAction`) live without packets, those
   * that there are, too; what is not given and policies that are not set are as by default.
   */
  setTimeoutPolicy(id: number, timeouts: Partial<CtTimeouts> | undefined): void;
  timeoutPolicies(): Iterable<readonly [id: number, timeouts: Readonly<CtTimeouts>]>;
}

/** A datapath of the same code that no packet comes from and none goes to. */
export interface DpRehearsal extends Disposable {
  readonly dpif: Dpif;
  /** These packets miss, all at once: `flow` as the datapath would have extracted it. */
  arrive(packets: readonly Pick<Upcall, 'flow' | 'packet'>[]): void;
}

/** Failures are `SystemError`s of the runtime package with errno names (`EEXIST`, `ENODEV` ...). */
export interface Dpif extends Disposable {
  /** `datapath_type` of a bridge. */
  readonly type: DpType;
  /** `ovs-system`, `ovs-netdev` or `ovs-dummy`. */
  readonly name: string;
  /** What forwards: `--enable-dummy=override` runs a datapath of any type in userspace. */
  readonly engine: 'kernel' | 'userspace';
  /** What the engine does by itself; what else a translation asks for is done packet by packet. */
  readonly actions: ReadonlySet<OdpAction['type']>;
  /** Behind the action `meter`. */
  readonly meters: DpMeters;
  /** What `portAdd` takes. */
  readonly portTypes: readonly VportType[];
  /** Ports and flows found in place at open were adopted from an earlier daemon. */
  readonly adopted: boolean;
  /** The connection tracker behind `ct`; undefined when there is none. */
  readonly ct: DpConntrack | undefined;

  /** The datapath's own clock, which `FlowStats.usedMs` is on; its zero means nothing. */
  nowMs(): number;

  /**
   * Adds a device. `system` and `tap` devices exist already; an `internal` one is created.
   * Throws ENODEV (no such device), EBUSY (already in use), EEXIST (number taken).
   */
  portAdd(
    name: string,
    type: VportType,
    requested?: OdpPort,
    tunnel?: TunnelVportOptions,
  ): Promise<OdpPort>;
  /** Removes a port; an internal device is destroyed with it. */
  portDel(port: OdpPort): Promise<void>;
  ports(): Iterable<DpPort>;
  port(port: OdpPort): DpPort | undefined;
  portStats(port: OdpPort): PortStats;
  /** Limits what a port takes; buckets are full again. */
  setPolicing(port: OdpPort, policing: Policing): void;
  /** Called when a port's device vanished, came back, was renamed or changed state. */
  onPortChange(listener: (port: OdpPort) => void): void;

  /**
   * Replaces or creates; returns the stats at the moment of the change for `modify`. Within an upcall
   * handler flows may wait until the next `execute` or the handler's end, to go together.
   */
  flowPut(flow: DpFlow, mode?: FlowPutMode): FlowStats | undefined;
  /** Deletes and returns the last stats; undefined when there was no such flow. */
  flowDel(ufid: Ufid): FlowStats | undefined;
  flowGet(ufid: Ufid): InstalledFlow | undefined;
  /** The masked key alone, in `into`; undefined when there is no such flow. */
  flowKey(ufid: Ufid, into: Flow): Flow | undefined;
  flows(): Iterable<InstalledFlow>;
  /** The counters of all flows; what `visit` gets is good until it returns. It may delete flows. */
  eachStats(visit: (ufid: Ufid, stats: Readonly<FlowStats>) => void): void;
  flowFlush(): void;

  /** Sends packets through explicit actions, in order. */
  execute(batch: readonly DpExecute[]): void;

  /**
   * One handler; upcalls arrive in batches, ports served in turn. The flow of a miss is good until the
   * handler returns.
   */
  setUpcallHandler(handler: ((batch: readonly Upcall[]) => void) | undefined): void;

  /** The daemon itself has set a port's device: what goes to the port need not wait until that is heard of. */
  deviceSet?(port: OdpPort): void;

  /** Every port that is wanted is there: what an earlier daemon left beside them goes. */
  dropLeftovers?(): void;

  stats(): DpStats;
  /** To practise with; undefined for engines that have no use for it. */
  rehearsal?(): DpRehearsal;
  /** Of an engine in the daemon's own thread. */
  perf?(): DpPerf;
  /** Gives a port of dummy devices another number; EEXIST: it is taken. */
  portRenumber?(port: OdpPort, number: OdpPort): void;
  /** Removes every port, flow, pin and device that this datapath made (`exit --cleanup`). */
  destroy(): Promise<void>;
}
