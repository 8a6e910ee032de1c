/** Packets to controllers, for good or with the rest of their way waiting. */
import { asMeteredUpcall } from '@heddle/datapath';
import { type ContinuationFrame, OFPM13_CONTROLLER } from '@heddle/openflow';
import { OFPR_ACTION, OFPR_EXPLICIT_MISS } from '@heddle/openflow/msgs/packet-in-reason';
import type { ControllerAction } from '../ofproto/recirc.ts';
import { encodeUserdata } from '../ofproto/userdata.ts';
import type { XlateContext } from './context.ts';
import { freezeState } from './freeze.ts';

/** Hands the packet, as it is now, to the controllers. */
export function sendToController(
  ctx: XlateContext,
  controller: ControllerAction,
  rests: readonly ContinuationFrame[] = [],
): void {
  const reason = reasonOf(ctx, controller);
  ctx.options.observe?.({ type: 'controller', bridge: ctx.bridge, reason });
  ctx.commit();
  const id = ctx.config.recirc.alloc({
    ...freezeState(ctx, undefined, rests, controller.pause ? 'controller' : ''),
    controller,
  });
  const userdata = encodeUserdata({
    kind: 'controller',
    recircId: id,
    reason,
    maxLen: controller.maxLen,
    controllerId: controller.controllerId,
    cookie: ctx.cookie,
    tableId: ctx.tableId,
    isContinuation: controller.pause,
    dontSend: isDryRun(ctx),
  });
  const upcall = { type: 'userspace', userdata } as const;
  // A meter of its own, or the one of all packets for controllers (OpenFlow 1.3.5, section 7.3.4.4).
  const meter = ctx.bridge.meters.get(controller.meter ?? OFPM13_CONTROLLER);
  ctx.odpActions.push(meter ? asMeteredUpcall(meter.dpId, [upcall]) : upcall);
}

/** What the table-miss flow sends is told of as a miss (OpenFlow 1.3.5, section 7.4.1); pauses are not. */
function reasonOf({ currentRule }: XlateContext, { reason, pause }: ControllerAction): number {
  if (reason !== OFPR_ACTION || pause || currentRule?.isTableMiss !== true) return reason;
  return OFPR_EXPLICIT_MISS;
}

/** A trace without a packet, which tells no controller. */
export function isDryRun(ctx: XlateContext): boolean {
  return ctx.isTracing && !ctx.withPacket;
}
