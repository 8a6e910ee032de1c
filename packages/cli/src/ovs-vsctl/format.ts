/** Tables as text (ovs-vsctl(8), "Table Formatting Options"). */
import {
  type Datum,
  datumToBareText,
  datumToText,
  encodeDatum,
  type Json,
  printJson,
  type TableSchema,
} from '@heddle/ovsdb';
import type { DisplayOptions } from './command.ts';
import type { StoredRow } from './store.ts';

const UUID_TYPE = { key: { type: 'uuid' }, min: 1, max: 1 } as const;

interface Cell {
  readonly text: string;
  readonly json: Json;
}

export function printTable(
  table: TableSchema,
  columns: readonly string[],
  rows: readonly StoredRow[],
  display: DisplayOptions,
): string {
  const cells = rows.map((row) => columns.map((c) => cell(table, row, c, display)));
  switch (display.format) {
    case 'list':
      return printList(columns, cells, display);
    case 'table':
      return printColumns(columns, cells, display);
    case 'html':
      return printHtml(columns, cells, display);
    case 'csv':
      return printCsv(columns, cells, display);
    case 'json': {
      const json = { data: cells.map((r) => r.map((c) => c.json)), headings: [...columns] };
      return `${display.pretty ? JSON.stringify(json, null, 2) : printJson(json)}\n`;
    }
  }
}

function cell(table: TableSchema, row: StoredRow, name: string, display: DisplayOptions): Cell {
  const type = name === '_uuid' ? UUID_TYPE : table.columns.get(name)!.type;
  const datum: Datum = name === '_uuid' ? { keys: [row.uuid] } : row.get(name);
  const json = encodeDatum(type, datum);
  const text =
    display.data === 'json'
      ? printJson(json)
      : display.data === 'bare'
        ? datumToBareText(type, datum)
        : datumToText(type, datum);
  return { text, json };
}

function printList(
  columns: readonly string[],
  rows: readonly Cell[][],
  display: DisplayOptions,
): string {
  return rows
    .map((row) =>
      row
        .map((c, i) => (display.headings ? `${columns[i]!.padEnd(20)}: ${c.text}` : c.text))
        .map((line) => `${line}\n`)
        .join(''),
    )
    .join('\n');
}

function printColumns(
  columns: readonly string[],
  rows: readonly Cell[][],
  display: DisplayOptions,
): string {
  const widths = columns.map((name, i) =>
    Math.max(display.headings ? name.length : 0, ...rows.map((r) => r[i]!.text.length)),
  );
  const line = (words: readonly string[]) =>
    `${words.map((w, i) => w.padEnd(i < words.length - 1 ? widths[i]! : 0)).join(' ')}\n`.replace(
      / +\n$/,
      '\n',
    );
  const heading = display.headings ? line(columns) + line(widths.map((w) => '-'.repeat(w))) : '';
  return heading + rows.map((r) => line(r.map((c) => c.text))).join('');
}

function printHtml(
  columns: readonly string[],
  rows: readonly Cell[][],
  display: DisplayOptions,
): string {
  const quoted = (t: string) =>
    t
      .replaceAll('&', '&amp;')
      .replaceAll('<', '&lt;')
      .replaceAll('>', '&gt;')
      .replaceAll('"', '&quot;');
  const tr = (tag: string, words: readonly string[]) =>
    `  <tr>\n${words.map((w) => `    <${tag}>${quoted(w)}</${tag}>\n`).join('')}  </tr>\n`;
  const heading = display.headings ? tr('th', columns) : '';
  return `<table border=1>\n${heading}${rows
    .map((r) =>
      tr(
        'td',
        r.map((c) => c.text),
      ),
    )
    .join('')}</table>\n`;
}

function printCsv(
  columns: readonly string[],
  rows: readonly Cell[][],
  display: DisplayOptions,
): string {
  const quote = (t: string) => (/[\n" ,]/.test(t) ? `"${t.replaceAll('"', '""')}"` : t);
  const line = (words: readonly string[]) => `${words.map(quote).join(',')}\n`;
  return (
    (display.headings ? line(columns) : '') + rows.map((r) => line(r.map((c) => c.text))).join('')
  );
}
