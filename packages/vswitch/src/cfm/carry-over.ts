/** A maintenance point without faults, for the next daemon. */
import { bigOf, objectOf } from '../kept.ts';
import type { Cfm, KeptCfm } from './cfm.ts';

/** undefined: it has faults, which the next daemon finds by itself. */
export function cfmToKeep(cfm: Cfm | undefined): unknown {
  if (!cfm || cfm.faults.size > 0 || cfm.remotes.size === 0) return undefined;
  const { flaps, health } = cfm;
  const remotes = [...cfm.remotes.values()].map(({ mpid, opup }) => ({ mpid: `${mpid}`, opup }));
  return { remotes, flaps, health };
}

/** Others that have missed us for as long as they wait see a fault: it begins anew. */
export function restoreCfm(cfm: Cfm, value: unknown, awayMs: number): void {
  const kept = objectOf(value);
  const { flaps, health, remotes } = kept ?? {};
  if (!Array.isArray(remotes) || typeof flaps !== 'number' || awayMs >= cfm.faultIntervalMs) return;
  const points: KeptCfm['remotes'] = remotes.flatMap((remote) => {
    const mpid = bigOf(objectOf(remote)?.['mpid']);
    const opup = objectOf(remote)?.['opup'];
    return mpid === undefined || typeof opup !== 'boolean' ? [] : [{ mpid, opup }];
  });
  if (points.length === 0) return;
  cfm.resume({ remotes: points, flaps, health: typeof health === 'number' ? health : undefined });
}
