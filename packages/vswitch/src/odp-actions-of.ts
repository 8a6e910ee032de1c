/** What a megaflow tells the datapath to do for a translation, and whether that is to send its packets up. */
import { asMeteredUpcall, type OdpAction } from '@heddle/datapath';
import { encodeUserdata } from './ofproto/userdata.ts';
import { type ActionTypes, plainActions } from './slow-path.ts';
import { isSample } from './xlate/export.ts';
import type { XlateResult } from './xlate/xlate.ts';

/** Actions for the datapath; what sends nothing says why, what it cannot do comes up. */
export function actionsOf(result: XlateResult, native: ActionTypes): readonly OdpAction[] {
  const { dropReason, actions, slow } = result;
  if (slow.length > 0) return slowActions(result);
  const drop =
    dropReason === undefined ? undefined : ({ type: 'drop', reason: dropReason } as const);
  if (drop && !actions.some(isSample)) return [drop];
  const plain = plainActions(actions, native);
  if (!plain) return slowActions(result);
  return drop ? [...plain, drop] : plain;
}

const SLOW = new WeakMap<XlateResult, readonly OdpAction[]>();

/** Whether these are what brings such packets up, one by one. */
export function isSlow(result: XlateResult, actions: readonly OdpAction[]): boolean {
  return brings(actions[0]) && SLOW.get(result) === actions;
}

/** Most lists begin otherwise, and a look into a WeakMap takes long. */
function brings(action: OdpAction | undefined): boolean {
  return action?.type === 'userspace' || action?.type === 'sample';
}

function slowActions(result: XlateResult): readonly OdpAction[] {
  let actions = SLOW.get(result);
  if (!actions) {
    const reasons = result.slow.length > 0 ? result.slow : ['action'];
    const userdata = encodeUserdata({ kind: 'slow_path', reasons });
    const upcall = { type: 'userspace', userdata } as const;
    const { slowMeter } = result;
    actions = [slowMeter === undefined ? upcall : asMeteredUpcall(slowMeter, [upcall])];
    SLOW.set(result, actions);
  }
  return actions;
}
