import { UnixctlError } from '@heddle/runtime';
import type { Bridge } from '../bridge.ts';
import type { Switch } from '../switch.ts';

/** The bridge of that name, or the refusal that upstream gives. */
export function bridgeOf(sw: Switch, name: string, refusal = 'no such bridge'): Bridge {
  const bridge = sw.bridges.get(name);
  if (!bridge) throw new UnixctlError(refusal);
  return bridge;
}
