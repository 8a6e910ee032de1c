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
  const special = (text: string) => c?.special(text) ?? text;
  // Where upstream colors a comma along, so is it here.
  let head = `${special('table=')}${formatTable(act.table, f.tables)}`;
  const parts: string[] = [];
  if (act.idleTimeout) head += `,${param('idle_timeout', act.idleTimeout)}`;
  if (act.hardTimeout) head += `,${param('hard_timeout', act.hardTimeout)}`;
  if (act.finIdleTimeout) head += `,${param('fin_idle_timeout', act.finIdleTimeout)}`;
  if (act.finHardTimeout) head += param(',fin_hard_timeout', act.finHardTimeout);
  if (act.priority !== OFP_DEFAULT_PRIORITY) head += `${special(',priority=')}${act.priority}`;
  if (act.flags.sendFlowRem) parts.push(c?.value('send_flow_rem') ?? 'send_flow_rem');
  if (act.flags.deleteLearned) parts.push(c?.value('delete_learned') ?? 'delete_learned');
  if (act.cookie !== 0n) parts.push(param('cookie', hex(act.cookie)));
  if (act.limit) parts.push(param('limit', act.limit));
  if (act.flags.writeResult && act.resultDst) {
    parts.push(param('result_dst', formatSubfield(act.resultDst)));
  }
  for (const spec of act.specs) parts.push(formatSpec(spec, f));
  const inner = [head, ...parts].join(',');
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
  const equals = c ? `${c.param(name)}${c.param('=')}` : `${name}=`;
  return `${equals}${formatSubfield(spec.src)}`;
}

function sameBits(a: Subfield, b: Subfield): boolean {
  return a.field === b.field && a.ofs === b.ofs;
}
