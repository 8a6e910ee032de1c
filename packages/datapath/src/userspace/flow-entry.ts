/** A megaflow of the userspace datapath. */
import type { Flow } from '@heddle/packet';
import type { DpFlow, FlowStats, InstalledFlow } from '../dpif.ts';
import type { OdpAction } from '../odp-actions.ts';
import type { Ufid } from '../odp-ufid.ts';

export class FlowEntry implements InstalledFlow {
  readonly key: Flow;
  readonly mask: Flow;
  readonly ufid: Ufid;
  actions: readonly OdpAction[];
  readonly stats: FlowStats = { packets: 0, bytes: 0, usedMs: undefined, tcpFlags: 0 };

  constructor(flow: DpFlow, ufid: Ufid) {
    this.mask = flow.mask.clone();
    this.key = flow.key.clone();
    this.ufid = ufid;
    this.actions = flow.actions;
  }
}

export function snapshot(entry: FlowEntry): InstalledFlow {
  return { ...entry, stats: { ...entry.stats } };
}
