/** What messages say of ports and their queues. */

export interface PhyPort {
  readonly portNo: number;
  /** 48 bits. */
  readonly hwAddr: number;
  readonly name: string;
  /** OFPPC_*: port_down 1<<0, no_stp 1<<1, no_recv 1<<2, no_recv_stp 1<<3, no_flood 1<<4, no_fwd 1<<5, no_packet_in 1<<6. */
  readonly config: number;
  /** OFPPS_*: link_down 1<<0, blocked 1<<1, live 1<<2, stp_listen 0<<8, stp_learn 1<<8, stp_forward 2<<8, stp_block 3<<8. */
  readonly state: number;
  /** OFPPF_* as OpenFlow 1.1+ number them: 10mb-hd 1<<0 … 1tb-fd 1<<9, other 1<<10, copper 1<<11, fiber 1<<12, autoneg 1<<13, pause 1<<14, pause_asym 1<<15. */
  readonly curr: number;
  readonly advertised: number;
  readonly supported: number;
  readonly peer: number;
  /** kbit/s. */
  readonly currSpeed: number;
  readonly maxSpeed: number;
}

export interface PortMod {
  readonly portNo: number;
  readonly hwAddr: number;
  readonly config: number;
  readonly mask: number;
  readonly advertise: number;
}

export interface PortStats {
  readonly portNo: number;
  readonly rxPackets: bigint;
  readonly txPackets: bigint;
  readonly rxBytes: bigint;
  readonly txBytes: bigint;
  readonly rxDropped: bigint;
  readonly txDropped: bigint;
  readonly rxErrors: bigint;
  readonly txErrors: bigint;
  readonly rxFrameErr: bigint;
  readonly rxOverErr: bigint;
  readonly rxCrcErr: bigint;
  readonly collisions: bigint;
  readonly durationSec?: number;
  readonly durationNsec?: number;
  /** Of OVS's experimenter property, OpenFlow 1.4+. */
  readonly custom?: readonly (readonly [name: string, value: bigint])[];
  /**
   * Packets received of 1 to 64 bytes, to 127, 255, 511, 1023, 1522 and more; the same sent; sent
   * multicasts, received and sent broadcasts; undersized, oversized, fragments, jabber. OpenFlow 1.4+.
   */
  readonly rfc2819?: readonly bigint[];
}

export interface QueueStats {
  readonly portNo: number;
  readonly queueId: number;
  readonly txBytes: bigint;
  readonly txPackets: bigint;
  readonly txErrors: bigint;
  readonly durationSec?: number;
  readonly durationNsec?: number;
}

export interface QueueConfig {
  readonly portNo: number;
  readonly queueId: number;
  /** Tenths of a percent; undefined: not set. */
  readonly minRate?: number;
  readonly maxRate?: number;
}
