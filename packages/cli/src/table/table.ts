/** Tables of the database tools (ovsdb-client(1), "Output Formatting Options"). */
import {
  type ColumnType,
  type Datum,
  datumToBareText,
  datumToText,
  encodeDatum,
  type Json,
  printSortedJson,
} from '@heddle/ovsdb/notation/index';
import { prettyJson } from './pretty-json.ts';

export type Cell =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'json'; readonly json: Json }
  | { readonly kind: 'datum'; readonly type: ColumnType; readonly datum: Datum }
  | { readonly kind: 'empty' };

export interface Table {
  readonly caption?: string | undefined;
  /** Printed before the table, and JSON's member `time`. */
  readonly time?: string | undefined;
  readonly headings: readonly string[];
  readonly rows: readonly (readonly Cell[])[];
}

export interface TableStyle {
  format: 'table' | 'list' | 'html' | 'csv' | 'json';
  data: 'string' | 'bare' | 'json';
  headings: boolean;
  pretty: boolean;
  /** 0 for no limit. */
  maxColumnWidth: number;
}

export const text = (value: string): Cell => ({ kind: 'text', text: value });
export const EMPTY: Cell = { kind: 'empty' };

/** Formats tables that are printed one after another: all but the first are set apart. */
export class TablePrinter {
  readonly style: Readonly<TableStyle>;
  #first = true;

  constructor(style: Readonly<TableStyle>) {
    this.style = style;
  }

  format(table: Table): string {
    switch (this.style.format) {
      case 'table':
        return this.#separator() + intro(table) + this.#aligned(table);
      case 'list':
        return this.#separator() + intro(table) + this.#list(table);
      case 'csv':
        return this.#separator() + intro(table) + this.#csv(table);
      case 'html':
        return this.#html(table);
      case 'json':
        return this.#json(table);
    }
  }

  #separator(): string {
    const separator = this.#first ? '' : '\n';
    this.#first = false;
    return separator;
  }

  #text(cell: Cell): string {
    switch (cell.kind) {
      case 'text':
        return cell.text;
      case 'json':
        return printSortedJson(cell.json);
      case 'datum':
        if (this.style.data === 'json') return printSortedJson(encodeDatum(cell.type, cell.datum));
        return (this.style.data === 'bare' ? datumToBareText : datumToText)(cell.type, cell.datum);
      case 'empty':
        return '';
    }
  }

  /** Columns as wide as their widest cell; a cut one is still as wide as its heading. In bytes. */
  #aligned({ headings, rows }: Table): string {
    const cells = rows.map((row) => row.map((cell) => Buffer.from(this.#text(cell))));
    const titles = this.style.headings ? headings.map((h) => Buffer.from(h)) : undefined;
    const limit = this.style.maxColumnWidth || Number.POSITIVE_INFINITY;
    const widths = headings.map((_, i) => {
      const widest = Math.min(limit, Math.max(0, ...cells.map((row) => row[i]!.length)));
      return Math.max(titles?.[i]?.length ?? 0, widest);
    });
    const line = (words: readonly Buffer[]) => {
      const padded = words.map((word, i) => {
        const cut = word.subarray(0, widths[i]!);
        return cut.toString() + ' '.repeat(widths[i]! - cut.length);
      });
      return `${padded.join(' ').replace(/ +$/, '')}\n`;
    };
    const rule = () => line(widths.map((n) => Buffer.from('-'.repeat(n))));
    return (titles ? line(titles) + rule() : '') + cells.map(line).join('');
  }

  #list({ headings, rows }: Table): string {
    const row = (cells: readonly Cell[]) =>
      cells
        .map((cell, i) => {
          const value = this.#text(cell);
          return this.style.headings ? `${headings[i]!.padEnd(20)}: ${value}\n` : `${value}\n`;
        })
        .join('');
    return rows.map(row).join('\n');
  }

  #csv({ headings, rows }: Table): string {
    const quote = (t: string) => (/[\r\n",]/.test(t) ? `"${t.replaceAll('"', '""')}"` : t);
    const line = (words: readonly string[]) => `${words.map(quote).join(',')}\n`;
    const top = this.style.headings ? line(headings) : '';
    return top + rows.map((row) => line(row.map((cell) => this.#text(cell)))).join('');
  }

  #html({ caption, time, headings, rows }: Table): string {
    const line = (tag: string, cells: readonly string[]) =>
      `  <tr>\n${cells.map((cell) => `    <${tag}>${cell}</${tag}>\n`).join('')}  </tr>\n`;
    return [
      time === undefined ? '' : `${time}\n`,
      '<table border=1>\n',
      caption === undefined ? '' : `    <caption>${escapeHtml(caption)}</caption>\n`,
      this.style.headings ? line('th', headings.map(escapeHtml)) : '',
      ...rows.map((row) =>
        line(
          'td',
          row.map((cell, i) => linkUuids(escapeHtml(this.#text(cell)), headings[i] === '_uuid')),
        ),
      ),
      '</table>\n',
    ].join('');
  }

  #json({ caption, time, headings, rows }: Table): string {
    const json: Json = {
      ...(caption === undefined ? {} : { caption }),
      data: rows.map((row) => row.map(cellToJson)),
      headings: [...headings],
      ...(time === undefined ? {} : { time }),
    };
    return `${this.style.pretty ? prettyJson(json) : printSortedJson(json)}\n`;
  }
}

function intro({ caption, time }: Table): string {
  const line = [time, caption].filter((t) => t !== undefined).map((t) => `${t}\n`);
  return line.join('');
}

function cellToJson(cell: Cell): Json {
  switch (cell.kind) {
    case 'text':
      return cell.text;
    case 'json':
      return cell.json;
    case 'datum':
      return encodeDatum(cell.type, cell.datum);
    case 'empty':
      return null;
  }
}

function escapeHtml(t: string): string {
  return t
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}

/** Rows are anchors that references lead to. */
function linkUuids(html: string, anchor: boolean): string {
  return html.replace(/[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, (uuid) => {
    const attribute = anchor ? `name="${uuid}"` : `href="#${uuid}"`;
    return `<a ${attribute}>${uuid.slice(0, 8)}</a>`;
  });
}
