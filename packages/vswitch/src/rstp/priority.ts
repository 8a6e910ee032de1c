/** Priority vectors (IEEE 802.1D-2004, 17.5): what comes first counts most, less is better. */
export interface PriorityVector {
  readonly rootId: bigint;
  readonly rootPathCost: number;
  readonly bridgeId: bigint;
  readonly portId: number;
}

export const NO_PRIORITY: PriorityVector = { rootId: 0n, rootPathCost: 0, bridgeId: 0n, portId: 0 };

/** Less than 0 when `a` is better. */
export function comparePriority(a: PriorityVector, b: PriorityVector): number {
  if (a.rootId !== b.rootId) return a.rootId < b.rootId ? -1 : 1;
  if (a.rootPathCost !== b.rootPathCost) return a.rootPathCost - b.rootPathCost;
  if (a.bridgeId !== b.bridgeId) return a.bridgeId < b.bridgeId ? -1 : 1;
  return a.portId - b.portId;
}

/** Better, or from the port that told what is known (17.6). */
export function isSuperior(message: PriorityVector, known: PriorityVector): boolean {
  const order = comparePriority(message, known);
  if (order <= 0) return order < 0;
  const [a, b] = [message.bridgeId, known.bridgeId].map((id) => id & ADDRESS);
  return a === b && (message.portId & PORT_NUMBER) === (known.portId & PORT_NUMBER);
}

const ADDRESS = 0xffff_ffff_ffffn;
const PORT_NUMBER = 0xfff;

/** Timer parameters (17.18.2 and others), in seconds. */
export interface Times {
  readonly messageAge: number;
  readonly maxAge: number;
  readonly helloTime: number;
  readonly forwardDelay: number;
}

export function sameTimes(a: Times, b: Times): boolean {
  return (
    a.messageAge === b.messageAge &&
    a.maxAge === b.maxAge &&
    a.helloTime === b.helloTime &&
    a.forwardDelay === b.forwardDelay
  );
}
