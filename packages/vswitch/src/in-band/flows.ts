/** The hidden flows of in-band control, (a) to (i) of Open vSwitch's "Design Decisions". */
import type { Remote } from './config.ts';

export interface InBandFlow {
  readonly priority: number;
  /** In `ovs-ofctl`'s words. */
  readonly match: string;
}

/** Above what OpenFlow can say, so that nothing takes precedence. */
const PRIORITY = 180_000;

/** `localMac` and `hopMacs`: of the local port, and of what remotes are reached by, so far as known. */
export function inBandFlows(
  remotes: readonly Remote[],
  localMac: string | undefined,
  hopMacs: readonly string[],
): InBandFlow[] {
  if (remotes.length === 0) return [];
  const flows: InBandFlow[] = [];
  const add = (rank: number, match: string) => flows.push({ priority: PRIORITY + rank, match });
  if (localMac !== undefined) {
    add(0, `udp,in_port=LOCAL,dl_src=${localMac},tp_src=68,tp_dst=67`);
    add(1, `arp,dl_dst=${localMac},arp_op=2`);
    add(2, `arp,dl_src=${localMac},arp_op=1`);
  }
  for (const mac of new Set(hopMacs)) {
    add(3, `arp,dl_dst=${mac},arp_op=2`);
    add(4, `arp,dl_src=${mac},arp_op=1`);
  }
  for (const address of new Set(remotes.map((r) => r.address))) {
    add(5, `arp,arp_tpa=${address},arp_op=2`);
    add(6, `arp,arp_spa=${address},arp_op=1`);
  }
  for (const { address, port } of remotes) {
    add(7, `tcp,nw_dst=${address},tp_dst=${port}`);
    add(8, `tcp,nw_src=${address},tp_src=${port}`);
  }
  return flows;
}
