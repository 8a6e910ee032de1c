/**
 * What translation sees of a bridge: its ports, how they treat VLANs, and where addresses are.
 * Reconfiguration builds these; translation only reads them.
 */
import type { OdpPort } from '@heddle/datapath';
import type { MacLearning } from './mac-learning.ts';

export const OFPP_MAX = 0xff00;
export const OFPP_LOCAL = 0xfffe;

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

  constructor(name: string, bridge: Ofproto) {
    this.name = name;
    this.bridge = bridge;
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
  /** The other end of a patch port. */
  peer: OfPort | undefined;
  /** Administratively up: packets may go out. */
  mayEnable = true;
  noFlood = false;
  readonly stats = { rxPackets: 0, rxBytes: 0, txPackets: 0, txBytes: 0 };

  constructor(name: string, ofport: number, bundle: Bundle) {
    this.name = name;
    this.ofport = ofport;
    this.bundle = bundle;
  }
}

/** A bridge. */
export class Ofproto {
  readonly name: string;
  readonly macs: MacLearning<Bundle>;
  readonly ports = new Map<number, OfPort>();
  readonly bundles = new Map<string, Bundle>();
  forwardBpdu = false;
  /** The flow table: the default flow `priority=0 actions=NORMAL`, or none (fail_mode secure). */
  hasNormalFlow = true;
  readonly tableStats = { packets: 0, bytes: 0, createdMs: 0 };

  constructor(name: string, macs: MacLearning<Bundle>) {
    this.name = name;
    this.macs = macs;
  }
}

/** How a datapath's ports map to those of its bridges. */
export interface XlateConfig {
  /** The port that a datapath port is. */
  portOf(odpPort: OdpPort): OfPort | undefined;
  /** How many VLAN tags are looked at (other_config:vlan-limit), 1 or 2. */
  readonly vlanLimit: number;
}
