/** What is better: which port leads to the root, and which bridge is designated for a segment. */
import type { ConfigBpdu } from '../spanning-tree/bpdu.ts';
import type { StpPort } from './stp-port.ts';

/** What a bridge says of itself to the segments of its ports. */
export interface BridgeClaim {
  readonly bridgeId: bigint;
  readonly designatedRoot: bigint;
  readonly rootPathCost: number;
}

/** Whether this bridge's own port is the designated one of its segment. */
export function isDesignated<P>(port: StpPort<P>, bridgeId: bigint): boolean {
  return port.designatedBridge === bridgeId && port.designatedPort === port.portId;
}

/** 8.6.2.2 */
export function supersedesPortInfo<P>(
  config: ConfigBpdu,
  port: StpPort<P>,
  bridgeId: bigint,
): boolean {
  if (config.rootId !== port.designatedRoot) return config.rootId < port.designatedRoot;
  if (config.rootPathCost !== port.designatedCost) return config.rootPathCost < port.designatedCost;
  if (config.bridgeId !== port.designatedBridge) return config.bridgeId < port.designatedBridge;
  return config.bridgeId !== bridgeId || config.portId <= port.designatedPort;
}

/** 8.6.8: the root port; undefined when the bridge itself is the root. */
export function selectRootPort<P>(
  ports: Iterable<StpPort<P>>,
  bridgeId: bigint,
): StpPort<P> | undefined {
  let best: StpPort<P> | undefined;
  for (const port of ports) {
    if (port.state === 'disabled' || isDesignated(port, bridgeId)) continue;
    if (port.designatedRoot >= bridgeId) continue;
    if (!best || isBetterRootPort(port, best)) best = port;
  }
  return best;
}

/** 8.6.8.3.1 */
function isBetterRootPort<P>(a: StpPort<P>, b: StpPort<P>): boolean {
  if (a.designatedRoot !== b.designatedRoot) return a.designatedRoot < b.designatedRoot;
  const costA = a.designatedCost + a.settings.pathCost;
  const costB = b.designatedCost + b.settings.pathCost;
  if (costA !== costB) return costA < costB;
  if (a.designatedBridge !== b.designatedBridge) return a.designatedBridge < b.designatedBridge;
  if (a.designatedPort !== b.designatedPort) return a.designatedPort < b.designatedPort;
  return a.portId < b.portId;
}

/** 8.6.9: whether the port is, or is to become, the designated one of its segment. */
export function deservesDesignation<P>(port: StpPort<P>, own: BridgeClaim): boolean {
  const { bridgeId, designatedRoot, rootPathCost } = own;
  if (isDesignated(port, bridgeId) || port.designatedRoot !== designatedRoot) return true;
  if (rootPathCost !== port.designatedCost) return rootPathCost < port.designatedCost;
  if (bridgeId !== port.designatedBridge) return bridgeId < port.designatedBridge;
  return port.portId <= port.designatedPort;
}
