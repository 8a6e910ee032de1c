import { HeddleError } from '@heddle/runtime/errors';
import type { OptionSpec, ParsedOption } from '@heddle/runtime/options';
import type { TableStyle } from './table.ts';

export const TABLE_OPTIONS: readonly OptionSpec[] = [
  { long: 'format', short: 'f', argument: 'FORMAT' },
  { long: 'data', short: 'd', argument: 'FORMAT' },
  { long: 'no-headings' },
  { long: 'pretty' },
  { long: 'bare' },
  { long: 'max-column-width', argument: 'N' },
];

export function tableStyle(format: TableStyle['format']): TableStyle {
  return { format, data: 'string', headings: true, pretty: false, maxColumnWidth: 0 };
}

const FORMATS: readonly string[] = ['table', 'list', 'html', 'csv', 'json'];
const DATA_FORMATS: readonly string[] = ['string', 'bare', 'json'];

/** Applies a table option to `style`; returns whether it was one. */
export function applyTableOption(style: TableStyle, { spec, value = '' }: ParsedOption): boolean {
  switch (spec.long) {
    case 'format':
      if (!FORMATS.includes(value)) throw new HeddleError(`unknown output format "${value}"`);
      style.format = value as TableStyle['format'];
      return true;
    case 'data':
      if (!DATA_FORMATS.includes(value)) throw new HeddleError(`unknown data format "${value}"`);
      style.data = value as TableStyle['data'];
      return true;
    case 'no-headings':
      style.headings = false;
      return true;
    case 'pretty':
      style.pretty = true;
      return true;
    case 'bare':
      Object.assign(style, { format: 'list', data: 'bare', headings: false });
      return true;
    case 'max-column-width':
      style.maxColumnWidth = Math.max(0, Number.parseInt(value, 10) || 0);
      return true;
    default:
      return false;
  }
}
