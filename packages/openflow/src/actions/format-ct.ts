/** ct and nat in text. */
import { formatIpv4, formatIpv6 } from '@heddle/packet';
import type { CtAction, NatAction, OfpAct } from '../ofp-actions.ts';
import type { ActionFormat } from './format-actions.ts';
import { fieldBytes, formatSubfield } from './format-field.ts';
import { formatTable } from './table-names.ts';

const HELPERS = new Map([
  [21, 'ftp'],
  [69, 'tftp'],
]);

/** `nat` stands apart from the assignments of `exec`. */
export function formatCt(
  act: CtAction,
  f: ActionFormat,
  nested: (acts: readonly OfpAct[]) => string,
): string {
  const c = f.colors;
  const param = (name: string) => c?.param(name) ?? name;
  const value = (name: string) => c?.value(name) ?? name;
  const parts: string[] = [];
  if (act.commit) parts.push(value('commit'));
  if (act.force) parts.push(value('force'));
  if (act.table !== undefined) {
    parts.push(`${param('table=')}${formatTable(act.table, f.tables)}`);
  }
  if (typeof act.zone !== 'number') parts.push(`${param('zone=')}${formatSubfield(act.zone)}`);
  else if (act.zone !== 0) parts.push(`${param('zone=')}${act.zone}`);
  const [first, ...rest] = act.actions;
  const nat = first?.type === 'nat' ? first : undefined;
  if (nat) parts.push(formatNat(nat, f));
  const exec = nat ? rest : act.actions;
  if (exec.length > 0) {
    parts.push(c ? `${c.paren('exec(')}${nested(exec)}${c.paren('),')}` : `exec(${nested(exec)})`);
  }
  let inner = parts.join(',');
  if (act.alg !== 0) {
    // Upstream colors the comma behind `exec(…)`, and leaves it there.
    if (inner !== '' && !(c && exec.length > 0)) inner += ',';
    inner += `${param('alg=')}${HELPERS.get(act.alg) ?? act.alg}`;
  }
  return c ? `${c.paren('ct(')}${inner}${c.paren(')')}` : `ct(${inner})`;
}

export function formatNat(act: NatAction, f: ActionFormat): string {
  const c = f.colors;
  const { direction, range } = act;
  if (!direction) return c?.value('nat') ?? 'nat';
  const flags: string[] = [];
  if (act.persistent) flags.push('persistent');
  if (act.hash) flags.push('hash');
  if (act.random) flags.push('random');
  let inner: string = direction;
  const equals = c ? `${c.param(direction)}${c.param('=')}` : `${direction}=`;
  if (range) inner = `${equals}${formatRange(range)}`;
  else if (c) inner = c.value(direction);
  for (const flag of range ? flags : []) inner += `,${c?.value(flag) ?? flag}`;
  return c ? `${c.paren('nat')}${c.paren('(')}${inner}${c.paren(')')}` : `nat(${inner})`;
}

/** IPv6 addresses before a port stand in brackets. */
function formatRange(range: NonNullable<NatAction['range']>): string {
  const { family, min, max, portMin, portMax } = range;
  const bracket = family === 6 && portMin !== undefined;
  const address = (value: bigint) => {
    if (family === 4) return formatIpv4(Number(value));
    const text = formatIpv6(fieldBytes(value, 16));
    return bracket ? `[${text}]` : text;
  };
  let text = address(min);
  if (max !== undefined && max !== min) text += `-${address(max)}`;
  if (portMin !== undefined) text += `:${portMin}`;
  if (portMax !== undefined && portMax !== portMin) text += `-${portMax}`;
  return text;
}
