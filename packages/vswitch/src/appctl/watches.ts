import type { OfPort } from '../ofproto.ts';
import type { Switch } from '../switch.ts';

/** Ports that a protocol watches over, with it. */
export function portsWith<T>(
  sw: Switch,
  of: (port: OfPort) => T | undefined,
): (readonly [OfPort, T])[] {
  const out: (readonly [OfPort, T])[] = [];
  for (const { port } of sw.ifaces()) {
    if (!port) continue;
    const watch = of(port);
    if (watch !== undefined) out.push([port, watch]);
  }
  return out;
}

/** What an operator says instead of a protocol; undefined: none of the words for it. */
export function parseVerdict(text: string): boolean | 'normal' | undefined {
  const word = text.toLowerCase();
  if (word === 'normal') return 'normal';
  return word === 'true' ? true : word === 'false' ? false : undefined;
}
