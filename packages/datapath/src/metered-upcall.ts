/** `sample(sample=100.0%,actions(meter(N),userspace(...)))`: an upcall as often as a meter allows. */
import type { OdpAction } from './odp-actions.ts';

const ALWAYS = 0xffff_ffff;

export interface MeteredUpcall {
  readonly meter: number;
  readonly userdata: Uint8Array;
}

/** Undefined: something else. Engines without `sample` can do it if they know meters. */
export function meteredUpcall(action: OdpAction): MeteredUpcall | undefined {
  if (action.type !== 'sample' || action.probability !== ALWAYS) return undefined;
  const [meter, upcall, ...more] = action.actions;
  if (meter?.type !== 'meter' || upcall?.type !== 'userspace' || more.length > 0) return undefined;
  return { meter: meter.id, userdata: upcall.userdata };
}

export function asMeteredUpcall(meter: number, actions: readonly OdpAction[]): OdpAction {
  return {
    type: 'sample',
    probability: ALWAYS,
    actions: [{ type: 'meter', id: meter }, ...actions],
  };
}
