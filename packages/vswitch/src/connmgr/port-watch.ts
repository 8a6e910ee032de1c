/** What controllers have been told of a bridge's ports, to tell them of changes (OpenFlow 1.5, 7.4.3). */
import type { PhyPort } from '@heddle/openflow';
import type { OfPort } from '../ofproto.ts';
import type { Connmgr } from './connmgr.ts';
import type { OfConn } from './ofconn.ts';

const OFPPS_LIVE = 1 << 2;
const OFP11 = 2;
const OFPPR_ADD = 0;
const OFPPR_DELETE = 1;
const OFPPR_MODIFY = 2;

export class PortWatch {
  readonly #mgr: Connmgr;
  readonly #told = new Map<OfPort, PhyPort>();

  constructor(mgr: Connmgr) {
    this.#mgr = mgr;
  }

  /** Tells of all that is different now. */
  update(): void {
    const { ports } = this.#mgr.env.ofproto;
    for (const [port, told] of this.#told) {
      if (ports.get(port.ofport) === port) continue;
      this.#told.delete(port);
      this.#mgr.sendPortStatus(OFPPR_DELETE, told);
    }
    for (const port of ports.values()) this.changed(port);
  }

  /** Tells of one port, if it is different now; `by` is who has changed it. */
  changed(port: OfPort, by?: OfConn): void {
    const now = this.#mgr.env.phyPort(port);
    const told = this.#told.get(port);
    if (told && isSame(told, now)) return;
    this.#told.set(port, now);
    if (told) this.#mgr.sendPortStatus(OFPPR_MODIFY, now, by);
    else this.#added(now);
  }

  /** A port is there before it is alive, which OpenFlow 1.0 has no word for. */
  #added(port: PhyPort): void {
    this.#mgr.sendPortStatus(OFPPR_ADD, { ...port, state: port.state & ~OFPPS_LIVE });
    if (port.state & OFPPS_LIVE) this.#mgr.sendPortStatus(OFPPR_MODIFY, port, undefined, OFP11);
  }
}

function isSame(a: PhyPort, b: PhyPort): boolean {
  return (Object.keys(a) as (keyof PhyPort)[]).every((key) => a[key] === b[key]);
}
