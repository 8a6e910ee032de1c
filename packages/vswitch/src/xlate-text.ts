/** What translation says in words, in ovs-ofctl's syntax. */
import { type FlowMod, type Match, OFPP_NORMAL, type OfpAct } from '@heddle/openflow';

export function actionText(act: OfpAct): string {
  return act.type === 'output' && act.port === OFPP_NORMAL ? 'NORMAL' : act.type;
}

export function matchText(_match: Match): string {
  return '';
}

export function flowModText({ tableId }: FlowMod): string {
  return `table=${tableId}`;
}
