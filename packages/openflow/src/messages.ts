/**
 * Messages, independent of the version that carries them. `decodeMessage` makes them of bytes,
 * `encodeMessage` bytes of them; what a version cannot say is an error of the encoder.
 */
import type { TlvMapping } from '@heddle/packet';
import type { OfpVersion } from './constants.ts';
import type {
  GroupDesc,
  GroupFeatures,
  GroupMod,
  GroupStats,
  MeterConfig,
  MeterFeatures,
  MeterMod,
  MeterStats,
} from './group-messages.ts';
import type { Match } from './match.ts';
import type { OfpAct } from './ofp-actions.ts';
import type { PhyPort, PortMod, PortStats, QueueConfig, QueueStats } from './port-messages.ts';
import type { TableFeatures, TableMod, TableStats } from './table-messages.ts';

export type * from './group-messages.ts';
export type * from './port-messages.ts';
export type * from './table-messages.ts';

export interface OfpHeader {
  readonly version: OfpVersion;
  readonly xid: number;
}

/** One message, multipart requests and replies included: `more` is OFPSF_REPLY_MORE. */
export type OfpMessage = OfpHeader & OfpBody;

export type FlowFormat = 'OpenFlow10' | 'NXM' | 'OXM' | 'OpenFlow11';

export type PacketInFormat = 'standard' | 'nxt_packet_in' | 'nxt_packet_in2';

/** Named bits; what no name is known for stays in `unknown`. */
export interface SwitchFeatures {
  readonly datapathId: bigint;
  readonly nBuffers: number;
  readonly nTables: number;
  readonly auxiliaryId: number;
  /** OFPC_* as the message's version numbers them: bit 3 is STP in OpenFlow 1.0, group_stats since. */
  readonly capabilities: number;
  /** OpenFlow 1.0's supported actions, a bit each by its action's number. */
  readonly actions: number;
  /** OpenFlow 1.0 to 1.2 list the ports here. */
  readonly ports: readonly PhyPort[];
}

export type FlowModCommand = 'add' | 'modify' | 'modify_strict' | 'delete' | 'delete_strict';

export interface FlowModFlags {
  readonly sendFlowRem: boolean;
  readonly checkOverlap: boolean;
  readonly resetCounts: boolean;
  readonly noPktCounts: boolean;
  readonly noByteCounts: boolean;
  readonly emerg: boolean;
}

export interface FlowMod {
  readonly command: FlowModCommand;
  readonly match: Match;
  readonly priority: number;
  /** Flows to change must have `cookie` under `cookieMask`; 0: any. */
  readonly cookie: bigint;
  readonly cookieMask: bigint;
  /** Cookie that the flow gets; undefined: keeps (OpenFlow 1.1+'s UINT64_MAX). */
  readonly newCookie: bigint | undefined;
  /** 255: any for deletion, the first otherwise. */
  readonly tableId: number;
  readonly idleTimeout: number;
  readonly hardTimeout: number;
  readonly bufferId: number;
  /** OFPP_NONE: any. */
  readonly outPort: number;
  /** OFPG_ANY: any. */
  readonly outGroup: number;
  readonly flags: FlowModFlags;
  readonly importance: number;
  readonly actions: readonly OfpAct[];
}

export interface FlowStatsRequest {
  readonly match: Match;
  readonly tableId: number;
  readonly outPort: number;
  readonly outGroup: number;
  readonly cookie: bigint;
  readonly cookieMask: bigint;
}

/** 64-bit counters; UNKNOWN_COUNT when the switch does not know. */
export interface FlowStats {
  readonly match: Match;
  readonly tableId: number;
  readonly priority: number;
  readonly cookie: bigint;
  readonly durationSec: number;
  readonly durationNsec: number;
  readonly idleTimeout: number;
  readonly hardTimeout: number;
  /** Seconds, -1 unknown (NXM only). */
  readonly idleAge: number;
  readonly hardAge: number;
  readonly packetCount: bigint;
  readonly byteCount: bigint;
  readonly flags: FlowModFlags;
  readonly importance: number;
  readonly actions: readonly OfpAct[];
}

export const UNKNOWN_COUNT = 0xffff_ffff_ffff_ffffn;

export interface FlowRemoved {
  readonly match: Match;
  readonly priority: number;
  readonly cookie: bigint;
  /** OFPRR_*: idle_timeout 0, hard_timeout 1, delete 2, group_delete 3, meter_delete 4, eviction 5. */
  readonly reason: number;
  readonly tableId: number;
  readonly durationSec: number;
  readonly durationNsec: number;
  readonly idleTimeout: number;
  readonly hardTimeout: number;
  readonly packetCount: bigint;
  readonly byteCount: bigint;
}

/** State of a paused packet, for NXT_RESUME. */
export interface Continuation {
  readonly bridge: Uint8Array;
  readonly stack: readonly bigint[];
  readonly mirrors: number;
  readonly conntracked: boolean;
  readonly tableId: number;
  readonly cookie: bigint;
  readonly actions: readonly OfpAct[];
  readonly actionSet: readonly OfpAct[];
  readonly odpPort: number;
  /**
   * What follows `actions`, from the innermost out: rests of the flows that resubmitted. Nothing
   * follows when it is empty, and that there are no `actions` is told, too.
   */
  readonly outer?: readonly ContinuationFrame[];
}

export interface ContinuationFrame {
  readonly tableId: number;
  readonly cookie: bigint;
  readonly actions: readonly OfpAct[];
}

export interface PacketIn {
  readonly format: PacketInFormat;
  readonly packet: Uint8Array;
  readonly totalLen: number;
  readonly bufferId: number;
  readonly reason: number;
  readonly tableId: number;
  readonly cookie: bigint;
  /** in_port, registers, metadata, tunnel, conntrack. */
  readonly metadata: Match;
  readonly userdata?: Uint8Array;
  readonly continuation?: Continuation;
}

export interface PacketOut {
  readonly packet: Uint8Array;
  readonly bufferId: number;
  /** in_port and, since OpenFlow 1.5, other pipeline fields. */
  readonly metadata: Match;
  readonly actions: readonly OfpAct[];
}

/** OFPCR12_*; `other` is OpenFlow 1.x's NXT "other". */
export type ControllerRole = 'nochange' | 'equal' | 'primary' | 'secondary';

/** For each kind, a bit by reason: what a controller gets as primary or equal, and as secondary. */
export interface AsyncConfig {
  readonly packetIn: readonly [primary: number, secondary: number];
  readonly portStatus: readonly [number, number];
  readonly flowRemoved: readonly [number, number];
  readonly roleStatus: readonly [number, number];
  readonly tableStatus: readonly [number, number];
  readonly requestForward: readonly [number, number];
}

/** OFPBCT_*. */
export type BundleControl =
  | 'open_request'
  | 'open_reply'
  | 'close_request'
  | 'close_reply'
  | 'commit_request'
  | 'commit_reply'
  | 'discard_request'
  | 'discard_reply'
  /** A number that has no name. */
  | 'unknown';

export interface FlowMonitorRequest {
  readonly id: number;
  /** `unknown`: none that there is. */
  readonly command: 'add' | 'modify' | 'delete' | 'unknown';
  /** NXFMF_*: initial 1, add 2, delete 4, modify 8, actions 16, own 32. */
  readonly flags: number;
  readonly outPort: number;
  readonly outGroup: number;
  readonly tableId: number;
  readonly match: Match;
}

export type FlowUpdate =
  | {
      readonly event: 'initial' | 'added' | 'modified' | 'removed';
      readonly reason: number;
      readonly idleTimeout: number;
      readonly hardTimeout: number;
      readonly priority: number;
      readonly tableId: number;
      readonly cookie: bigint;
      readonly match: Match;
      /** undefined: not asked for. */
      readonly actions: readonly OfpAct[] | undefined;
    }
  | { readonly event: 'abbrev'; readonly xid: number }
  | { readonly event: 'paused' | 'resumed' };

export interface SwitchDesc {
  readonly mfr: string;
  readonly hw: string;
  readonly sw: string;
  readonly serial: string;
  readonly dp: string;
}

/** An original-direction tuple, mask by presence, for `ct_flush`. */
export interface CtTuple {
  readonly src?: Uint8Array;
  readonly dst?: Uint8Array;
  readonly proto?: number;
  readonly srcPort?: number;
  readonly dstPort?: number;
  readonly icmpId?: number;
  readonly icmpType?: number;
  readonly icmpCode?: number;
  /** 2 AF_INET, 10 AF_INET6; 0 open. */
  readonly family?: number;
}

export interface IpfixStats {
  readonly collectorSetId?: number;
  readonly counters: readonly bigint[];
}

interface Multipart {
  readonly more?: boolean;
}

// biome-ignore format: one row per message reads as the table it is

export type OfpBody =
  | { readonly type: 'hello'; /** Bit v: version v. */ readonly versions: number }
  | { readonly type: 'error'; readonly errorType: number; readonly code: number; /** Experimenter's, undefined for a standard one. */ readonly vendor?: number; readonly data: Uint8Array }
  | { readonly type: 'echo_request' | 'echo_reply'; readonly data: Uint8Array }
  | { readonly type: 'features_request' | 'get_config_request' | 'barrier_request' | 'barrier_reply' | 'get_async_request' | 'tlv_table_request' }
  | ({ readonly type: 'features_reply' } & SwitchFeatures)
  | { readonly type: 'get_config_reply' | 'set_config'; /** OFPC_FRAG_* in bits 0-1, OFPC_INVALID_TTL_TO_CONTROLLER in bit 2. */ readonly flags: number; readonly missSendLen: number }
  | ({ readonly type: 'packet_in' } & PacketIn)
  | ({ readonly type: 'resume' } & PacketIn)
  | ({ readonly type: 'packet_out' } & PacketOut)
  | ({ readonly type: 'flow_removed'; /** As NXT_FLOW_REMOVED in OpenFlow 1.0. */ readonly nxm?: boolean } & FlowRemoved)
  | { readonly type: 'port_status'; /** add 0, delete 1, modify 2. */ readonly reason: number; readonly port: PhyPort }
  | ({ readonly type: 'flow_mod'; readonly format?: FlowFormat; /** NXT_FLOW_MOD_TABLE_ID is on. */ readonly hasTableId?: boolean } & FlowMod)
  | ({ readonly type: 'group_mod' } & GroupMod)
  | ({ readonly type: 'port_mod' } & PortMod)
  | ({ readonly type: 'table_mod' } & TableMod)
  | ({ readonly type: 'meter_mod' } & MeterMod)
  | { readonly type: 'role_request' | 'role_reply'; readonly role: ControllerRole; readonly generationId?: bigint; /** OpenFlow 1.5. */ readonly shortId?: number; /** NXT_ROLE_* where the version has its own. */ readonly isNicira?: boolean }
  | { readonly type: 'role_status'; readonly role: ControllerRole; readonly reason: number; readonly generationId: bigint }
  | { readonly type: 'get_async_reply' | 'set_async'; readonly config: AsyncConfig; /** Of a message of properties: those that it has, 1 << OFPACPT_*. */ readonly given?: number }
  | { readonly type: 'table_status'; readonly reason: number; readonly table: TableMod }
  | { readonly type: 'request_forward'; readonly request: OfpMessage }
  | { readonly type: 'set_flow_format'; readonly format: FlowFormat }
  | { readonly type: 'flow_mod_table_id'; readonly enabled: boolean }
  | { readonly type: 'set_packet_in_format'; readonly format: PacketInFormat }
  | { readonly type: 'set_controller_id'; readonly controllerId: number }
  | { readonly type: 'flow_age' }
  | { readonly type: 'bundle_control'; readonly bundleId: number; readonly control: BundleControl; /** atomic 1, ordered 2. */ readonly flags: number }
  | { readonly type: 'bundle_add_message'; readonly bundleId: number; readonly flags: number; readonly message: OfpMessage }
  | { readonly type: 'flow_monitor_cancel'; readonly id: number }
  | { readonly type: 'flow_monitor_paused' | 'flow_monitor_resumed' }
  | { readonly type: 'tlv_table_mod'; readonly command: 'add' | 'delete' | 'clear'; readonly mappings: readonly TlvMapping[] }
  | { readonly type: 'tlv_table_reply'; readonly maxOptionSpace: number; readonly maxFields: number; readonly mappings: readonly TlvMapping[] }
  | { readonly type: 'ct_flush_zone'; readonly zone: number }
  | { readonly type: 'ct_flush'; readonly zone?: number; readonly original: CtTuple; readonly reply: CtTuple }
  | { readonly type: 'queue_get_config_request'; readonly portNo: number; readonly queueId?: number }
  | { readonly type: 'queue_get_config_reply'; readonly queues: readonly QueueConfig[]; readonly portNo?: number; readonly more?: boolean }
  // Multipart
  | { readonly type: 'desc_request' | 'table_request' | 'group_features_request' | 'meter_features_request' | 'ipfix_bridge_request' | 'ipfix_flow_request' }
  | ({ readonly type: 'desc_reply' } & SwitchDesc)
  | ({ readonly type: 'flow_request' | 'aggregate_request'; readonly nxm?: boolean } & FlowStatsRequest)
  | ({ readonly type: 'flow_reply'; readonly nxm?: boolean; readonly flows: readonly FlowStats[] } & Multipart)
  | { readonly type: 'aggregate_reply'; readonly nxm?: boolean; readonly packetCount: bigint; readonly byteCount: bigint; readonly flowCount: number }
  | ({ readonly type: 'table_reply'; readonly tables: readonly TableStats[] } & Multipart)
  | { readonly type: 'port_request'; readonly portNo: number }
  | ({ readonly type: 'port_reply'; readonly ports: readonly PortStats[] } & Multipart)
  | { readonly type: 'port_desc_request'; readonly portNo?: number }
  | ({ readonly type: 'port_desc_reply'; readonly ports: readonly PhyPort[] } & Multipart)
  | { readonly type: 'queue_request'; readonly portNo: number; readonly queueId: number }
  | ({ readonly type: 'queue_reply'; readonly queues: readonly QueueStats[] } & Multipart)
  | { readonly type: 'group_request' | 'group_desc_request'; readonly groupId: number }
  | ({ readonly type: 'group_reply'; readonly groups: readonly GroupStats[] } & Multipart)
  | ({ readonly type: 'group_desc_reply'; readonly groups: readonly GroupDesc[] } & Multipart)
  | ({ readonly type: 'group_features_reply' } & GroupFeatures)
  | { readonly type: 'meter_request' | 'meter_config_request'; readonly meterId: number }
  | ({ readonly type: 'meter_reply'; readonly meters: readonly MeterStats[] } & Multipart)
  | ({ readonly type: 'meter_config_reply'; readonly meters: readonly MeterConfig[] } & Multipart)
  | ({ readonly type: 'meter_features_reply' } & MeterFeatures)
  | ({ readonly type: 'table_features_request' | 'table_features_reply'; readonly tables: readonly TableFeatures[] } & Multipart)
  | { readonly type: 'table_desc_request' }
  | ({ readonly type: 'table_desc_reply'; readonly tables: readonly TableMod[] } & Multipart)
  | ({ readonly type: 'flow_monitor_request'; readonly monitors: readonly FlowMonitorRequest[] })
  | ({ readonly type: 'flow_monitor_reply'; readonly updates: readonly FlowUpdate[] } & Multipart)
  | { readonly type: 'ipfix_bridge_reply' | 'ipfix_flow_reply'; readonly stats: readonly IpfixStats[] };

export type OfpMessageType = OfpBody['type'];

type Distribute<M, T> = M extends { readonly type: infer U } ? (T extends U ? M : never) : never;

/** The message of one type. */
export type MessageOf<T extends OfpMessageType> = Distribute<OfpMessage, T>;
