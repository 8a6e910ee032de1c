/** learn in text. */
import { OFP_DEFAULT_PRIORITY } from '../constants.ts';
import type { LearnSpec, OfpAct, Subfield } from '../ofp-actions.ts';
import { fieldBits } from './field-header.ts';
import type { ActionFormat } from './format-actions.ts';
import { formatFieldValue, formatSubfield, hex } from './format-field.ts';
import { formatTable } from './table-names.ts';

export function formatLearn(act: Extract<OfpAct, { type: 'learn' }>, f: ActionFormat): string {
  const c = f.colors;
  const param = (name: string, value: string | number) =>
    `${c?.param(`${name}=`) ?? `${name}=`}${value}`;
  const parts = [param('table', formatTable(act.table, f.tables))];
  if (act.idleTimeout) parts.push(param('idle_timeout', act.idleTimeout));
  if (act.hardTimeout) parts.push(param('hard_timeout', act.hardTimeout));
  if (act.finIdleTimeout) parts.push(param('fin_idle_timeout', act.finIdleTimeout));
  if (act.finHardTimeout) parts.push(param('fin_hard_timeout', act.finHardTimeout));
  if (act.priority !== OFP_DEFAULT_PRIORITY) {
    parts.push(`${c?.special('priority=') ?? 'priority='}${act.priority}`);
  }
  if (act.flags.sendFlowRem) parts.push(c?.value('send_flow_rem') ?? 'send_flow_rem');
  if (act.flags.deleteLearned) parts.push(c?.value('delete_learned') ?? 'delete_learned');
  if (act.cookie !== 0n) parts.push(param('cookie', hex(act.cookie)));
  if (act.limit) parts.push(param('limit', act.limit));
  if (act.flags.writeResult && act.resultDst) {
    parts.push(param('result_dst', formatSubfield(act.resultDst)));
  }
  for (const spec of act.specs) parts.push(formatSpec(spec, f));
  const inner = parts.join(',');
  return c ? `${c.learn('learn(')}${inner}${c.learn(')')}` : `learn(${inner})`;
}

function formatSpec(spec: LearnSpec, f: ActionFormat): string {
  const c = f.colors;
  const special = (text: string) => c?.special(text) ?? text;
  if (spec.type === 'output') return `${special('output:')}${formatSubfield(spec.src)}`;
  if (spec.type === 'load') {
    const from = 'value' in spec ? hex(spec.value) : formatSubfield(spec.src);
    return `${special('load:')}${from}${special('->')}${formatSubfield(spec.dst)}`;
  }
  const { dst } = spec;
  if ('value' in spec) {
    if (dst.ofs === 0 && dst.nBits === fieldBits(dst.field)) {
      const text = formatFieldValue(dst.field, spec.value, undefined, f.ports);
      return `${c?.param(`${dst.field.name}=`) ?? `${dst.field.name}=`}${text}`;
    }
    const name = formatSubfield(dst);
    return `${c?.param(`${name}=`) ?? `${name}=`}${hex(spec.value)}`;
  }
  const name = formatSubfield(dst);
  if (sameBits(spec.src, dst)) return c?.param(name) ?? name;
  return `${c?.param(`${name}=`) ?? `${name}=`}${formatSubfield(spec.src)}`;
}

function sameBits(a: Subfield, b: Subfield): boolean {
  return a.field === b.field && a.ofs === b.ofs;
}
