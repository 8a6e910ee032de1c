export { type CtEntry, CtStatsCounter, formatCtEntry } from './conntrack/format.ts';
export { IPF_MAX_FRAGMENTS, IPF_MIN_SIZE, type IpfFamily } from './conntrack/ipf.ts';
export { type CtTimeouts, DEFAULT_TIMEOUTS } from './conntrack/timeouts.ts';
export type * from './dpif.ts';
export { DummyNetdev } from './dummy/dummy-netdev.ts';
export { DummyNetdevs } from './dummy/dummy-netdevs.ts';
export type { DpMeters, MeterConfig, MeterStats, Policing } from './meter.ts';
export { asMeteredUpcall, type MeteredUpcall, meteredUpcall } from './metered-upcall.ts';
export type * from './odp-actions.ts';
export {
  formatFlowStats,
  formatInstalledFlow,
  formatOdpActions,
  formatOdpFlow,
  formatTcpFlags,
  type OdpFormatOptions,
} from './odp-format.ts';
export { formatAttrs } from './odp-format-attrs.ts';
export { type KeyFitness, keyOfAttrs, OdpKeyError } from './odp-key.ts';
export {
  formatOdpTextActions,
  type OdpParseOptions,
  type OdpTextAction,
  OdpTrailError,
  parseOdpActions,
  parseOdpTextActions,
} from './odp-parse.ts';
export { OdpParseError } from './odp-parse-error.ts';
export { flowOfAttrs, parseOdpAttrs, parseOdpFlow } from './odp-parse-flow.ts';
export {
  TNL_TYPE_ERSPAN,
  TNL_TYPE_GENEVE,
  TNL_TYPE_GRE,
  TNL_TYPE_IP6ERSPAN,
  TNL_TYPE_IP6GRE,
  TNL_TYPE_VXLAN,
} from './odp-tnl-header.ts';
export { flowUfid, Ufid, UfidTable } from './odp-ufid.ts';
export { isTunnelVport } from './tunnel-vport.ts';
export { changePacket } from './userspace/execute.ts';
export { MemoryNetdev, type Netdev } from './userspace/netdev.ts';
export { Packet } from './userspace/packet.ts';
export { segments } from './userspace/segment.ts';
export { sourcePorts } from './userspace/tunnel.ts';
export { UserspaceDpif, type UserspaceDpifOptions } from './userspace/userspace-dpif.ts';
