/** A Controller row, and what is told of it (ovs-vswitchd.conf.db(5), "Controller"). */
import type { OfConn, OfConnKind } from './ofconn.ts';

export interface ControllerConfig {
  readonly target: string;
  readonly kind: OfConnKind;
  readonly maxBackoffMs: number;
  /** 0: never ask whether it lives. */
  readonly probeMs: number;
  /** Packet-ins in a second; undefined: as many as there are. */
  readonly rateLimit?: number | undefined;
  /** Packet-ins that may wait for their turn. */
  readonly burstLimit?: number | undefined;
  /** Packet-ins that may wait for the peer to read. */
  readonly queueSize: number;
  /** Whether it hears of events before it has asked for them. */
  readonly hearsEvents: boolean;
  /** Of the connection's packets, 0 to 63. */
  readonly dscp: number;
}

export interface ControllerStatus {
  readonly isConnected: boolean;
  readonly role: 'primary' | 'secondary' | 'other';
  readonly state: string;
  readonly lastError: string | undefined;
  readonly secSinceConnect: number | undefined;
  readonly secSinceDisconnect: number | undefined;
  /** What rate limits did to packet-ins, where there are some. */
  readonly limits: OfConn['limits'];
}
