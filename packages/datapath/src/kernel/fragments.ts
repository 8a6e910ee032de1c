/**
 * Fragments that are to be tracked: the programs leave them to the daemon. It puts the packet
 * together and sends that through `ct` alone; when it comes back, with its state and translated,
 * its fragments go on with what came behind.
 */
import type { Flow } from '@heddle/packet';
import { reassemble, takeApart } from '../conntrack/fragment.ts';
import { Ipf, type IpfPart } from '../conntrack/ipf.ts';
import type { DpExecute, Upcall } from '../dpif.ts';
import type { OdpAction } from '../odp-actions.ts';

const COOKIE = 'ct-fragments:';
/** Packets under way to the programs and back. */
const SLOTS = 256;

export function isTrackedFragment({ flow, actions }: DpExecute): boolean {
  return flow.nwFrag !== 0 && actions.some(({ type }) => type === 'ct');
}

export class Fragments {
  readonly ipf: Ipf<DpExecute>;
  readonly #inject: (batch: readonly DpExecute[]) => void;
  /** What to do when the packet of a slot comes back. */
  readonly #waiting: (((upcall: Upcall) => void) | undefined)[] = new Array(SLOTS);
  #next = 0;

  constructor(nowMs: () => number, inject: (batch: readonly DpExecute[]) => void) {
    this.ipf = new Ipf(nowMs);
    this.#inject = inject;
  }

  execute(e: DpExecute): void {
    const at = e.actions.findIndex(({ type }) => type === 'ct');
    if (e.flow.nwFrag === 0 || at < 0) {
      if (e.actions.length > 0) this.#inject([e]);
      return;
    }
    if (at > 0) {
      const rest = e.actions.slice(at);
      const back = this.#comeBack(({ flow, packet }) =>
        this.execute({ flow, packet, actions: rest }),
      );
      this.#inject([{ ...e, actions: [...e.actions.slice(0, at), back] }]);
      return;
    }
    const ct = e.actions[0] as OdpAction & { type: 'ct' };
    const { recircId } = e.flow;
    const data = Uint8Array.from(e.packet.data);
    // Who brought it uses the memory again.
    const kept = { flow: e.flow.clone(), packet: { data }, actions: [...e.actions] };
    const parts = this.ipf.add(data, { zone: ct.zone, recircId }, kept);
    if (parts === 'held') return;
    if (parts === 'refused') this.#inject([e]);
    else this.#track(parts, ct);
  }

  /** True when the upcall is one that this waits for, or has waited for. */
  handle(upcall: Upcall): boolean {
    const { userdata } = upcall;
    if (upcall.type !== 'action' || userdata?.[0] !== COOKIE.charCodeAt(0)) return false;
    const text = Buffer.from(userdata).toString('latin1');
    if (!text.startsWith(COOKIE)) return false;
    const slot = Number(text.slice(COOKIE.length));
    const waiting = this.#waiting[slot];
    this.#waiting[slot] = undefined;
    waiting?.(upcall);
    return true;
  }

  #track(parts: readonly IpfPart<DpExecute>[], ct: OdpAction): void {
    const fragments = parts.map(({ fragment }) => fragment);
    const flow = parts[0]!.waiting.flow.clone();
    flow.nwFrag = 0;
    const back = this.#comeBack((upcall) => {
      const frames = takeApart(fragments, Uint8Array.from(upcall.packet.data));
      for (const [i, { waiting }] of parts.entries()) {
        const own = waiting.flow.clone();
        copyTracked(own, upcall.flow);
        const packet = { data: frames[i]! };
        this.execute({ flow: own, packet, actions: waiting.actions.slice(1) });
      }
    });
    this.#inject([{ flow, packet: { data: reassemble(fragments) }, actions: [ct, back] }]);
  }

  #comeBack(then: (upcall: Upcall) => void): OdpAction {
    const slot = this.#next;
    this.#next = (slot + 1) % SLOTS;
    this.#waiting[slot] = then;
    return { type: 'userspace', userdata: Buffer.from(`${COOKIE}${slot}`) };
  }
}

function copyTracked(to: Flow, from: Flow): void {
  to.ctState = from.ctState;
  to.ctZone = from.ctZone;
  to.ctMark = from.ctMark;
  to.ctLabel = from.ctLabel;
  to.ctNwProto = from.ctNwProto;
  to.ctNwSrc = from.ctNwSrc;
  to.ctNwDst = from.ctNwDst;
  to.ctTpSrc = from.ctTpSrc;
  to.ctTpDst = from.ctTpDst;
  to.ctIpv6Src = from.ctIpv6Src;
  to.ctIpv6Dst = from.ctIpv6Dst;
}
