import type { DpPort, OdpPort, PortStats, VportType } from '../dpif.ts';
import { emptyPortStats } from '../port-stats.ts';
import type { TokenBuckets } from './meters.ts';
import type { Netdev } from './netdev.ts';

export class Port implements DpPort {
  readonly stats: PortStats = emptyPortStats();
  portNo: OdpPort;
  readonly name: string;
  readonly type: VportType;
  readonly netdev: Netdev;
  policer: TokenBuckets | undefined;
  /** Of a tunnel: what its next packet is numbered, where packets are. */
  sequence = 0;
  readonly dstPort?: number;

  constructor(portNo: OdpPort, type: VportType, netdev: Netdev, dstPort?: number) {
    this.portNo = portNo;
    this.name = netdev.name;
    this.type = type;
    this.netdev = netdev;
    if (dstPort !== undefined) this.dstPort = dstPort;
  }

  get ifindex(): number | undefined {
    return this.netdev.isGone === true ? 0 : undefined;
  }

  get config(): string | undefined {
    return this.netdev.config;
  }
}

/** Of a tunnel port: what goes by it has its header from `tnl_push`. */
export function noNetdev(name: string): Netdev {
  return { name, transmit: () => false, setReceiver: () => {}, close: () => {} };
}
