/** What OpenFlow connections need of the bridge that they control. */
import type { DpMeters, PortStats } from '@heddle/datapath';
import type { MessageOf, OfpAct, PhyPort } from '@heddle/openflow';
import type { Flow } from '@heddle/packet';
import type { Clock } from '@heddle/runtime';
import type { FlowChanges } from '../ofproto/flow-changes.ts';
import type { FrozenState } from '../ofproto/recirc.ts';
import type { OfPort, Ofproto } from '../ofproto.ts';
import type { QueueCounters } from '../qos/device-qos.ts';

export interface SwitchDescription {
  readonly mfr: string;
  readonly hw: string;
  readonly sw: string;
  readonly serial: string;
  readonly dp: string;
}

export interface OfprotoEnv {
  readonly ofproto: Ofproto;
  readonly datapathId: bigint;
  readonly description: SwitchDescription;
  readonly clock: Clock;
  readonly meters: DpMeters;
  /** Takes the lines that tell of connections' flow mods; the log when absent. */
  readonly flowModLog?: (line: string) => void;
  nowMs(): number;
  phyPort(port: OfPort): PhyPort;
  portStats(port: OfPort): PortStats;
  /** Queues that the database gives the port. */
  queues(port: OfPort): number[];
  /** Undefined: a port that has one queue and counts nothing. */
  queueStats(port: OfPort): QueueCounters[] | undefined;
  /** When it was opened. */
  portSinceMs(port: OfPort): number;
  /** Credits flows with what the datapath has counted so far. */
  syncStats(): void;
  /** These stand now. */
  flowsChanged(changes: FlowChanges): void;
  /** Tables, groups or meters are different now. */
  tablesChanged(): void;
  /** OFPPC_* bits of a port have changed. */
  portConfigChanged(port: OfPort, before: number): void;
  hasDevice(port: OfPort): boolean;
  /** Sets the port's device up or down, after `tell` has told of what was asked. */
  setAdminState(port: OfPort, isUp: boolean, tell: () => void): void;
  /** How many VLAN tags of a packet are looked at. */
  readonly vlanLimit: number;
  /**
   * Sends a packet through actions, as if it had come in by `flow.inPort`. Throws `OfpError` when it
   * cannot be translated to its end.
   */
  packetOut(flow: Flow, packet: Uint8Array, actions: readonly OfpAct[]): void;
  /** As `packetOut`, without sending it. */
  checkPacketOut(flow: Flow, packet: Uint8Array, actions: readonly OfpAct[]): void;
  /** Goes on with a packet that waited for its controller. */
  resume(state: FrozenState, flow: Flow, packet: Uint8Array): void;
  /** Counters of the bridge's IPFIX exporter, when it has one. */
  readonly ipfixBridge: readonly bigint[] | undefined;
  /** Those of the exporters for `sample` actions, by the id of their collector set. */
  readonly ipfixFlow: readonly { readonly id: number; readonly counters: readonly bigint[] }[];
  flushConntrackZone(zone: number): void;
  flushConntrack(which: Pick<MessageOf<'ct_flush'>, 'zone' | 'original' | 'reply'>): void;
}
