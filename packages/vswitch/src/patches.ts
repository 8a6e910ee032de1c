import type { Iface } from './iface.ts';

const FAULT = 'peer';

/**
 * Joins the two ends of each patch, wherever their bridges are; whether anything changed for flows. An end
 * without another has that in its `error`.
 */
export function connectPatches(ifaces: readonly Iface[]): boolean {
  const ends = new Map<string, Iface>();
  for (const iface of ifaces) if (iface.type === 'patch' && iface.port) ends.set(iface.name, iface);
  let changed = false;
  for (const iface of ends.values()) {
    const other = ends.get(iface.row.options.get('peer') ?? '');
    const mutual = other?.row.options.get('peer') === iface.name ? other.port : undefined;
    const sameBacker = other?.home.backer === iface.home.backer;
    const peer = sameBacker ? mutual : undefined;
    const datapath = iface.home.backer.dpif.type;
    const named = iface.row.options.get('peer');
    if (peer) iface.faults.delete(FAULT);
    else iface.faults.set(FAULT, `No usable peer '${named}' exists in '${datapath}' datapath.`);
    if (iface.port!.peer === peer) continue;
    iface.port!.peer = peer;
    changed = true;
  }
  return changed;
}
