/** What translation says in words, in ovs-ofctl's syntax. */
import {
  type FlowMod,
  formatActions,
  formatFieldText,
  formatMatch,
  type Match,
  type OfpAct,
  type Subfield,
} from '@heddle/openflow';
import { formatSubfield } from '@heddle/openflow/actions/format-field';
import { toBytes } from '@heddle/openflow/match/match-field';
import type { PortNames } from '@heddle/openflow/match/ofp-port';
import type { Ofproto } from '../ofproto.ts';
import { isTagged, type XlateContext } from './context.ts';
import { subfieldGet } from './subfield.ts';

/** With the names of the bridge's ports where the trace is to have them. */
export function actionText(act: OfpAct, ctx: XlateContext): string {
  return actionsText([act], ctx);
}

export function actionsText(acts: readonly OfpAct[], ctx?: XlateContext): string {
  return formatActions(acts, { ports: ctx && namesIn(ctx) });
}

export function portNamesOf({ ports }: Ofproto): PortNames {
  return { nameOf: (number) => ports.get(number)?.name, portOf: () => undefined };
}

function namesIn({ options, bridge }: XlateContext): PortNames | undefined {
  return options.portNames ? portNamesOf(bridge) : undefined;
}

/** `NXM_NX_REG0[0..15]` */
function subfieldText(subfield: Subfield): string {
  return formatSubfield(subfield);
}

/** A whole field's value as it is matched, a part's in hex. */
function subfieldValueText({ field, nBits }: Subfield, value: bigint): string {
  if (nBits !== (field.bits ?? field.width)) return value === 0n ? '0' : `0x${value.toString(16)}`;
  if (value === 0n && field.format === 'hexadecimal') return '0';
  return formatFieldText(field, toBytes(value, field.width / 8));
}

const VLAN_PRESENT = 0x1000n;

/** What a subfield has been set to. */
export function traceSubfield(ctx: XlateContext, subfield: Subfield): void {
  if (!ctx.isTracing) return;
  let bits = subfieldGet(ctx.flow, subfield);
  // A whole VID is told with the bit that says that there is one, when there is.
  if (subfield.field.name === 'vlan_vid' && subfield.nBits === 12 && isTagged(ctx.flow)) {
    bits |= VLAN_PRESENT;
  }
  const value = subfieldValueText(subfield, bits);
  ctx.trace('detail', `${subfieldText(subfield)} is now ${value}`);
}

export function matchText(match: Match, ctx: XlateContext): string {
  return formatMatch(match, { names: namesIn(ctx) });
}

/** As a `learn` action's trace shows the flow that it makes: with numbers of ports alone, as upstream. */
export function flowModText(mod: FlowMod): string {
  const match = formatMatch(mod.match);
  const words = [`table=${mod.tableId}`];
  if (match !== '') words.push(match);
  words.push(`priority=${mod.priority}`);
  if (mod.newCookie !== undefined && mod.newCookie !== 0n) {
    words.push(`cookie=0x${mod.newCookie.toString(16)}`);
  }
  if (mod.idleTimeout !== 0) words.push(`idle=${mod.idleTimeout}`);
  if (mod.hardTimeout !== 0) words.push(`hard=${mod.hardTimeout}`);
  if (mod.flags.sendFlowRem) words.push('send_flow_rem');
  return `${words.join(' ')} actions=${actionsText(mod.actions)}`;
}
