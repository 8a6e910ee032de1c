/**
 * Keeps a fault in one part of a configuration to that part. It is logged, the rows of the interfaces
 * concerned tell of it, everything else goes in force, and the next change tries it again.
 */
import { messageOf, vlog } from '@heddle/runtime';

const log = vlog.module('bridge');

/** What tells of faults in its row: an interface, with its faults by feature. */
export interface Faulty {
  readonly name: string;
  readonly faults: Map<string, string>;
}

/** A feature of something that has a row. */
export interface Part {
  /** `bridge br0` */
  readonly of: string;
  /** `mirrors` */
  readonly feature: string;
  /** Whose rows tell when it cannot be configured. */
  readonly told?: readonly Faulty[];
}

export function partOf(iface: Faulty, feature: string): Part {
  return { of: `interface ${iface.name}`, feature, told: [iface] };
}

/** What `work` returns, or `otherwise` where it throws. */
export function guarded<T>(part: Part, otherwise: T, work: () => T): T {
  try {
    const result = work();
    clear(part);
    return result;
  } catch (error) {
    tell(part, error);
    return otherwise;
  }
}

/** As `guarded`, of what takes time. */
export async function guardedAsync<T>(
  part: Part,
  otherwise: T,
  work: () => Promise<T>,
): Promise<T> {
  try {
    const result = await work();
    clear(part);
    return result;
  } catch (error) {
    tell(part, error);
    return otherwise;
  }
}

function clear({ told = [], feature }: Part): void {
  for (const { faults } of told) faults.delete(feature);
}

function tell({ of, feature, told = [] }: Part, error: unknown): void {
  const text = `could not configure ${feature} (${messageOf(error)})`;
  const key = `${of} ${feature}`;
  log.rl.err(`${of}: ${text}`, key);
  if (error instanceof Error) log.rl.dbg(`${of}: ${error.stack}`, `${key} stack`);
  for (const { name, faults } of told) faults.set(feature, `${name}: ${text}`);
}
