/** A bridge's part in the tree, for the next daemon. */
import { bigOf, numbersOf, objectOf } from '../kept.ts';
import type { TreeState } from '../spanning-tree/tree.ts';
import type { Stp, Times } from './stp.ts';
import type { KeptStpPort } from './stp-port.ts';

const STATES: readonly TreeState[] = ['blocking', 'listening', 'learning', 'forwarding'];
const TIMES: readonly (keyof Times)[] = ['helloTimeMs', 'maxAgeMs', 'forwardDelayMs'];

export function stpToKeep<P>(stp: Stp<P>, nameOf: (key: P) => string): unknown {
  const ports = [...stp.ports.values()].map((port) => {
    const { state, portId, designatedCost, designatedPort } = port;
    const designatedRoot = String(port.designatedRoot);
    const designatedBridge = String(port.designatedBridge);
    const kept = {
      state,
      portId,
      designatedRoot,
      designatedCost,
      designatedBridge,
      designatedPort,
    };
    return [nameOf(port.key), kept] as const;
  });
  const { helloTimeMs, maxAgeMs, forwardDelayMs } = stp.times;
  return {
    bridgeId: String(stp.settings.bridgeId),
    times: { helloTimeMs, maxAgeMs, forwardDelayMs },
    ports: Object.fromEntries(ports),
  };
}

/**
 * Neighbours forget a bridge that was away for longer than the maximum age since its last hello:
 * other links may be in its place by then, so it begins anew.
 */
export function restoreStp<P>(
  stp: Stp<P>,
  nameOf: (key: P) => string,
  value: unknown,
  awayMs: number,
  nowMs: number,
): void {
  const kept = objectOf(value);
  const times = numbersOf(kept?.['times'], TIMES);
  if (!kept || !times || bigOf(kept['bridgeId']) !== stp.settings.bridgeId) return;
  if (awayMs + times.helloTimeMs >= times.maxAgeMs) return;
  const ports = new Map<P, KeptStpPort>();
  for (const key of stp.ports.keys()) {
    const port = portOf(objectOf(kept['ports'])?.[nameOf(key)]);
    if (port) ports.set(key, port);
  }
  stp.restore(ports, times, nowMs - awayMs, nowMs);
}

function portOf(value: unknown): KeptStpPort | undefined {
  const kept = objectOf(value);
  const state = STATES.find((known) => known === kept?.['state']);
  const numbers = numbersOf(value, ['portId', 'designatedCost', 'designatedPort']);
  const designatedRoot = bigOf(kept?.['designatedRoot']);
  const designatedBridge = bigOf(kept?.['designatedBridge']);
  if (!state || !numbers || designatedRoot === undefined || designatedBridge === undefined) {
    return undefined;
  }
  return { state, ...numbers, designatedRoot, designatedBridge };
}
