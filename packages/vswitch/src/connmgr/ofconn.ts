/** One OpenFlow connection: its protocol, its role, and what it wants to hear. */
import type {
  AsyncConfig,
  ControllerRole,
  FlowFormat,
  FlowMonitorRequest,
  OfpBody,
  OfpMessage,
  OfpVersion,
  PacketInFormat,
} from '@heddle/openflow';
import { packetInReason } from '@heddle/openflow/msgs/packet-in-reason';
import type { Clock } from '@heddle/runtime';
import { originNumber } from '../ofproto/origins.ts';
import type { Bundle } from './bundle.ts';
import { FlowModLog } from './flow-mod-log.ts';
import type { MonitorUpdates } from './monitor-updates.ts';
import { PacketInQueue } from './packet-in-queue.ts';
import type { PacketInScheduler } from './pinsched.ts';

/** The wire below: version negotiated, messages whole. */
export interface OfpChannel {
  readonly version: OfpVersion;
  /** `unix#3`, `tcp:10.0.0.1:6653`. */
  readonly name: string;
  /** The controller's target in the database; undefined for the management socket. */
  readonly target: string | undefined;
  readonly isOpen: boolean;
  /** Bytes that the peer has not taken yet. */
  readonly backlog: number;
  /** Bytes that were ever sent, whether taken or not. */
  readonly sentBytes: number;
  send(message: OfpMessage): void;
  /** Lets the peer's messages wait until what this returns is called. */
  hold(): () => void;
  /** When the peer has taken what was sent, or is gone. */
  drained(): Promise<void>;
  close(): void;
}

/** A controller decides about the switch; a service connection is an operator's. */
export type OfConnKind = 'primary' | 'service';

const NO_MATCH = 1 << 0;
const ACTION = 1 << 1;
const ACTION_SET = 1 << 3;
const GROUP = 1 << 4;
const PACKET_OUT = 1 << 5;
const PACKET_INS = NO_MATCH | ACTION;
const PACKET_INS_14 = PACKET_INS | ACTION_SET | GROUP | PACKET_OUT;
const PORT_STATUS = 7;
/** Groups' deletions are reasons of their own since OpenFlow 1.3. */
const FLOW_REMOVED = 7;
const FLOW_REMOVED_13 = 0xf;
const FLOW_REMOVED_ALL = 0x3f;

/** What a controller hears until it says otherwise (OpenFlow 1.5, 6.3.6). */
export function defaultAsync(version: OfpVersion): AsyncConfig {
  const removed = version >= 5 ? FLOW_REMOVED_ALL : version === 4 ? FLOW_REMOVED_13 : FLOW_REMOVED;
  return {
    packetIn: [version >= 5 ? PACKET_INS_14 : PACKET_INS, 0],
    portStatus: [PORT_STATUS, PORT_STATUS],
    flowRemoved: [removed, 0],
    roleStatus: [0, 0],
    tableStatus: [0, 0],
    requestForward: [0, 0],
  };
}

/** Hears of nothing before it asks (`enable_async_messages`). */
export const SILENT: AsyncConfig = {
  packetIn: [0, 0],
  portStatus: [0, 0],
  flowRemoved: [0, 0],
  roleStatus: [0, 0],
  tableStatus: [0, 0],
  requestForward: [0, 0],
};

/** Of a peer that does not read (ovs-vswitchd.conf.db(5), "controller_queue_size"). */
export const DEFAULT_QUEUE_SIZE = 100;

export class OfConn {
  readonly channel: OfpChannel;
  readonly kind: OfConnKind;
  role: ControllerRole = 'equal';
  async: AsyncConfig;
  packetInFormat: PacketInFormat = 'standard';
  flowFormat: FlowFormat = 'OpenFlow10';
  /** Flow mods of NXM name tables: NXT_FLOW_MOD_TABLE_ID is on, or the version has tables. */
  hasTableId: boolean;
  controllerId = 0;
  missSendLen: number;
  invalidTtlToController = false;
  /** Limits of the rate of packet-ins: those that nothing matched, those that actions send. */
  limits: { readonly miss: PacketInScheduler; readonly action: PacketInScheduler } | undefined;
  /** Those that wait for the peer to read. */
  readonly packetIns = new PacketInQueue(DEFAULT_QUEUE_SIZE);
  readonly bundles = new Map<number, Bundle>();
  readonly flowMods: FlowModLog;
  readonly monitors = new Map<number, FlowMonitorRequest>();
  /** Stands for it in the flows that it sets up. */
  readonly origin: number;
  /** What it hears by its monitors, once there has been one. */
  updates: MonitorUpdates | undefined;

  /** `flowModLog`: takes the lines that tell of its flow mods; the log when absent. */
  constructor(
    channel: OfpChannel,
    kind: OfConnKind,
    clock: Clock,
    flowModLog?: (line: string) => void,
  ) {
    this.flowMods = new FlowModLog(channel.name, clock, flowModLog);
    this.channel = channel;
    this.kind = kind;
    this.async = defaultAsync(channel.version);
    this.missSendLen = kind === 'primary' ? 128 : 0;
    const { target, version } = channel;
    this.hasTableId = version > 1;
    this.origin = originNumber(
      target === undefined
        ? { kind: 'management', version }
        : { kind: 'controller', target, version },
    );
  }

  get version(): OfpVersion {
    return this.channel.version;
  }

  /** A service connection gets no packets before it asks for them. */
  get hearsPackets(): boolean {
    return this.kind === 'primary' || this.missSendLen !== 0;
  }

  send(xid: number, body: OfpBody): void {
    this.channel.send({ version: this.version, xid, ...body });
  }

  /** Whether it is to hear of an event, by its role and its configuration. */
  wants(kind: keyof AsyncConfig, reason: number): boolean {
    if (this.kind === 'service' && kind !== 'packetIn' && this.missSendLen === 0) return false;
    const [primary, secondary] = this.async[kind];
    const bits = this.role === 'secondary' ? secondary : primary;
    const bit = kind === 'packetIn' ? packetInReason(reason, this.version) : reason;
    return (bits & (1 << bit)) !== 0;
  }
}
