/**
 * What translation sees of a bridge: its ports, how they treat VLANs, and where addresses are.
 * Reconfiguration builds these; translation only reads them.
 */

import type { HashAlgorithm, OdpPort, Policing } from '@heddle/datapath';
import { type FlowMod, OFPP_NORMAL } from '@heddle/openflow';
import { Flow, TlvTable } from '@heddle/packet';
import type { Bfd } from './bfd/bfd.ts';
import type { Bond } from './bond/bond.ts';
import type { Cfm } from './cfm/cfm.ts';
import { DropLog } from './explain/drops.ts';
import type { NetFlow } from './export/netflow.ts';
import type { Lacp } from './lacp/lacp.ts';
import type { Lldp } from './lldp/lldp.ts';
import type { MacLearning } from './mac-learning.ts';
import type { McastFlooding } from './mcast-snooping/config.ts';
import type { McastSnooping } from './mcast-snooping/mcast-snooping.ts';
import type { Mirror } from './mirror.ts';
import { FlowTables } from './ofproto/flow-table.ts';
import type { Group } from './ofproto/group.ts';
import type { InternalFlows } from './ofproto/internal-flows.ts';
import { LearnedFlows } from './ofproto/learned-flows.ts';
import type { Meter } from './ofproto/meter.ts';
import type { RecircIds } from './ofproto/recirc.ts';
import { NO_FLAGS, Rule, type RuleState } from './ofproto/rule.ts';
import type { BridgeTree } from './spanning-tree/bridge-tree.ts';
import type { TreeState } from './spanning-tree/tree.ts';
import type { TunnelConfig } from './tunnel/config.ts';
import type { NativeTunnels } from './tunnel/native.ts';
import type { TunnelPorts } from './tunnel/ports.ts';

export { OFPP_LOCAL, OFPP_MAX } from '@heddle/openflow';

export type VlanMode = 'access' | 'trunk' | 'native-tagged' | 'native-untagged' | 'dot1q-tunnel';
export type PriorityTags = 'never' | 'if-nonzero' | 'always';

/** A Port row as NORMAL knows it (a "bundle" of one or, bonded, several interfaces). */
export class Bundle {
  readonly name: string;
  readonly bridge: Ofproto;
  readonly ports: OfPort[] = [];
  vlanMode: VlanMode = 'trunk';
  /** The access, native or tunnel VLAN. */
  vlan = 0;
  /** undefined: all of them. */
  trunks: ReadonlySet<number> | undefined;
  cvlans: ReadonlySet<number> | undefined;
  qinqEthtype = 0x88a8;
  priorityTags: PriorityTags = 'never';
  isProtected = false;
  /** Counts for the bridge's address instead of the device's. */
  mac: number | undefined;
  /** What it gets of multicast, whoever listens to what. */
  mcastFlooding: McastFlooding = { data: false, reports: false };
  /** Bits of the mirrors that packets which arrive or leave here are for. */
  sourceMirrors = 0;
  destinationMirrors = 0;
  /** Takes copies of mirrors and nothing else. */
  isMirrorOutput = false;
  /** Of several interfaces. */
  bond: Bond | undefined;
  lacp: Lacp | undefined;
  /** Of the fake interface of a bond (`bond_fake_iface`): the bridge does not list it, NORMAL drops. */
  readonly isFake: boolean;

  constructor(name: string, bridge: Ofproto, isFake = false) {
    this.name = name;
    this.bridge = bridge;
    this.isFake = isFake;
  }

  /** Whether a VLAN is allowed on it by `trunks` or as the native one, which takes VLAN 0's place. */
  trunksInclude(vid: number): boolean {
    const hasNative = this.vlanMode === 'native-tagged' || this.vlanMode === 'native-untagged';
    if (hasNative && this.vlan !== 0) {
      if (vid === this.vlan) return true;
      if (vid === 0) return false;
    }
    return this.trunks === undefined || this.trunks.has(vid);
  }
}

/** A port as OpenFlow numbers it. */
export class OfPort {
  readonly name: string;
  readonly ofport: number;
  readonly bundle: Bundle;
  /** undefined: not in the datapath (a patch port, or one without a device). */
  odpPort: OdpPort | undefined;
  /** Of a tunnel port, which shares its `odpPort` with others. */
  tunnel: TunnelConfig | undefined;
  /** The other end of a patch port. */
  peer: OfPort | undefined;
  /** Administratively up, and not set down by a controller. */
  mayEnable = true;
  isLinkUp = true;
  bfd: Bfd | undefined;
  cfm: Cfm | undefined;
  lldp: Lldp | undefined;
  /** A protocol that watches over it says that it is no good. */
  isFaulty = false;
  /** 48 bits; of a port without a device. */
  hwAddr = 0;
  /** What it does in the bridge's spanning tree; undefined when it has no part in one. */
  treeState: TreeState | undefined;
  /** OFPPC_* bits that a controller has set (ovs-ofctl(8), mod-port). */
  config = 0;
  /** What it may receive, where that is limited. */
  policing: Policing | undefined;
  /** TOS, without its ECN bits, by packet priority: what queues mark (table Queue, `dscp`). */
  queueTos: ReadonlyMap<number, number> = new Map();
  readonly stats = { rxPackets: 0, rxBytes: 0, txPackets: 0, txBytes: 0 };

  constructor(name: string, ofport: number, bundle: Bundle) {
    this.name = name;
    this.ofport = ofport;
    this.bundle = bundle;
  }

  /** Whether it is good for traffic: bonds, groups and `bundle` choose by that. */
  get isLive(): boolean {
    return this.mayEnable && this.isLinkUp && !this.isFaulty;
  }

  get noReceive(): boolean {
    return (this.config & OFPPC_NO_RECV) !== 0;
  }

  /** Of what goes to the Bridge Group Address. */
  get noReceiveStp(): boolean {
    return (this.config & OFPPC_NO_RECV_STP) !== 0;
  }

  get noForward(): boolean {
    return (this.config & OFPPC_NO_FWD) !== 0;
  }

  get noFlood(): boolean {
    return (this.config & OFPPC_NO_FLOOD) !== 0;
  }

  get noPacketIn(): boolean {
    return (this.config & OFPPC_NO_PACKET_IN) !== 0;
  }
}

const OFPPC_NO_RECV = 1 << 2;
const OFPPC_NO_RECV_STP = 1 << 3;
const OFPPC_NO_FLOOD = 1 << 4;
const OFPPC_NO_FWD = 1 << 5;
const OFPPC_NO_PACKET_IN = 1 << 6;

let nextSerial = 1;

/** Above what OpenFlow can say. */
const FAIL_OPEN_PRIORITY = 0xf0f0f0;

const NORMAL_FLOW: RuleState = {
  cookie: 0n,
  actions: [{ type: 'output', port: OFPP_NORMAL, maxLen: 0 }],
  idleTimeout: 0,
  hardTimeout: 0,
  importance: 0,
  flags: NO_FLAGS,
};

/** Collectors of a bridge as translation sees them; probabilities of 2^32, all ones: always. */
export interface BridgeExports {
  readonly sflow?: {
    readonly probability: number;
    /** Of the device; 0 when it has none. */
    ifindex(port: OfPort): number;
  };
  readonly ipfix?: {
    readonly probability: number;
    readonly input: boolean;
    readonly output: boolean;
  };
  readonly netflow?: NetFlow;
  /** There are rows for `sample` actions. */
  readonly hasCollectorSets?: boolean;
}

/** A bridge. */
export class Ofproto {
  readonly name: string;
  macs: MacLearning<Bundle>;
  readonly ports = new Map<number, OfPort>();
  readonly bundles = new Map<string, Bundle>();
  /** Never given twice, unlike names. */
  readonly serial = nextSerial++;
  readonly tables = new FlowTables();
  readonly learned = new LearnedFlows();
  readonly groups = new Map<number, Group>();
  readonly meters = new Map<number, Meter>();
  readonly drops = new DropLog();
  /** Those of table 254, which count what no other flow does. */
  internal: InternalFlows | undefined;
  forwardBpdu = false;
  /** For whom its packets are sampled and counted. */
  exports: BridgeExports = {};
  /** Where multicast groups are listened to, when it looks for that. */
  snooping: McastSnooping<Bundle> | undefined;
  /** STP or RSTP, when it runs one. */
  tree: BridgeTree | undefined;
  mirrors: readonly Mirror[] = [];
  /** How tables see ports of fragments (ovs-ofctl(8), set-frags). */
  fragHandling: 'normal' | 'drop' | 'nx-match' = 'normal';
  /** Which tunnel options are which `tun_metadata` fields. */
  tlv = TlvTable.EMPTY;
  /** A controller of OpenFlow 1.0 to 1.2 wants what no flow matches. */
  wantsPacketInOnMiss = false;
  hasControllers = false;
  /** It lets through what controllers and managers need to reach it. */
  isInBand = false;
  /** A queue is class `queue + 1` of the root qdisc, 1:0: the kernel's datapath. */
  hasQdiscs = false;
  /** Puts a flow into the tables that `learn` of a flow in `table` has made; set by who has the tables in hand. */
  learnFlow: (flowMod: FlowMod, limit: number, table: number) => void = () => {};

  constructor(name: string, macs: MacLearning<Bundle>) {
    this.name = name;
    this.macs = macs;
  }

  /** Forwards as a switch does while the controllers are away, before any flow of theirs. */
  setFailOpen(open: boolean, nowMs: number): boolean {
    return this.#setNormal(FAIL_OPEN_PRIORITY, open, nowMs);
  }

  /** The flow that a bridge without controllers starts with: `priority=0 actions=NORMAL`. */
  setDefaultFlow(wanted: boolean, nowMs: number): boolean {
    return this.#setNormal(0, wanted, nowMs);
  }

  #setNormal(priority: number, wanted: boolean, nowMs: number): boolean {
    const table = this.tables.at(0);
    const { classifier } = table;
    const [key, mask] = [new Flow(), new Flow()];
    const found = classifier.find(key, mask, priority);
    if (wanted === (found !== undefined)) return false;
    if (found) {
      table.remove(found);
      found.subtable?.release(found);
    } else table.insert(new Rule(table, priority, NORMAL_FLOW, nowMs), key, mask);
    return true;
  }

  /** The packet priority that stands for a queue. */
  queuePriority(queue: number): number {
    return this.hasQdiscs ? 0x1_0000 | ((queue + 1) & 0xffff) : queue;
  }
}

/** How a datapath's ports map to those of its bridges. */
export interface XlateConfig {
  /** The port that a datapath port is. */
  portOf(odpPort: OdpPort): OfPort | undefined;
  /** Finds the port of a packet that came by a tunnel. */
  readonly tunnels?: Pick<TunnelPorts, 'receive'>;
  /** Tunnels whose packets bridges carry; without, the datapath routes them. */
  readonly native?: NativeTunnels | undefined;
  /** How many VLAN tags are looked at (other_config:vlan-limit), 1 or 2. */
  readonly vlanLimit: number;
  readonly recirc: RecircIds;
  /** The timeout policy of a zone's new connections. */
  ctTimeoutOf?(zone: number): number | undefined;
  /** The datapath leaves it to the daemon to track fragments. */
  readonly leavesFragments?: boolean;
  /** The best algorithm of the datapath's `hash` action, by which select groups choose, if it has one. */
  readonly hashAlgorithm?: HashAlgorithm | undefined;
}
