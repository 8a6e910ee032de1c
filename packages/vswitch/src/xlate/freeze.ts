/** Interrupting a translation for the datapath to do something, and going on afterwards. */
import { type ContinuationFrame, OFPP_IN_PORT, type OfpAct } from '@heddle/openflow';
import { copyTunnel, Flow, fieldByName, fillTunnel, isTunnelled } from '@heddle/packet';
import type { FrozenState } from '../ofproto/recirc.ts';
import type { XlateContext } from './context.ts';

/** First word of what only the pipeline knows, and how many words of it there are. */
export const PIPELINE = 64;

/** What is needed to go on from here in `tableId`, or with the rests of lists. */
export function freezeState(
  ctx: XlateContext,
  tableId: number | undefined,
  rests: readonly ContinuationFrame[],
  pauseReason: string,
): FrozenState {
  const metadata = new Flow();
  metadata.u32.set(ctx.flow.u32.subarray(PIPELINE), PIPELINE);
  lookAtTunnelFields(ctx);
  copyTunnel(ctx.flow, metadata);
  // No field of OpenFlow: one state serves every source port.
  metadata.tunTpSrc = 0;
  return {
    bridge: ctx.bridge,
    ofport: ctx.flow.inPort,
    tableId,
    cookie: ctx.cookie,
    metadata,
    stack: ctx.stack.slice(),
    actionSet: ctx.actionSet.slice(),
    rests,
    conntracked: ctx.conntracked,
    wasMpls: ctx.wasMpls,
    isHashed: ctx.hashes || ctx.flow.dpHash !== 0,
    mirrored: ctx.mirrored,
    pauseReason,
  };
}

/** What a packet brought by a tunnel is kept in the state: it is for no packet with other fields. */
function lookAtTunnelFields({ initial, wildcards }: XlateContext): void {
  if (!isTunnelled(initial)) return;
  const { tunTpSrc, tunTpDst } = wildcards;
  fillTunnel(wildcards, initial);
  Object.assign(wildcards, { tunTpSrc, tunTpDst });
  wildcards.tunOptsLen = 0xff;
  wildcards.tunOpts.fill(0xff);
}

/** Ends the actions so far with a recirculation that goes on in a table, or with what is left. */
export function recirculate(ctx: XlateContext, state: FrozenState): number {
  const id = ctx.config.recirc.alloc(state);
  ctx.odpActions.push({ type: 'recirc', id });
  return id;
}

/** What is resumed has no instructions: a miss in the table that it goes to tells no controller. */
function asAction(act: OfpAct): OfpAct {
  switch (act.type) {
    case 'goto_table':
      return { type: 'resubmit', port: OFPP_IN_PORT, table: act.table };
    case 'write_metadata': {
      const { metadata: value, mask } = act;
      return { type: 'set_field', set: { field: METADATA, value, mask } };
    }
    default:
      return act;
  }
}

const METADATA = fieldByName('metadata')!;

/** Leaves the rest of a flow's list for later. */
export function freezeRest(ctx: XlateContext, rest: readonly OfpAct[]): void {
  const frames = ctx.frozen ?? [];
  ctx.frozen = frames;
  const actions = rest.filter((act) => act.type !== 'note').map(asAction);
  if (actions.length === 0) return;
  const { tableId, cookie } = ctx;
  const last = frames.at(-1);
  if (last?.tableId === tableId && last.cookie === cookie) {
    frames[frames.length - 1] = { tableId, cookie, actions: [...last.actions, ...actions] };
  } else frames.push({ tableId, cookie, actions });
}
