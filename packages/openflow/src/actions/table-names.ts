import { vlog } from '@heddle/runtime';
import { quickDecimal } from '../match/quick-number.ts';

const log = vlog.module('ofp_table');

/** Tables by name, where the switch has told their names (ovs-ofctl(8), "--names"). */
export interface TableNames {
  nameOf(table: number): string | undefined;
  tableOf(name: string): number | undefined;
}

/** A decimal number up to 255, or a name. */
export function parseTable(text: string, names?: TableNames): number | undefined {
  const decimal = quickDecimal(text);
  if (decimal >= 0) return tableNumber(decimal);
  if (/^-\d+$/.test(text)) {
    log.rl.warn(`Negative value ${text} is not a valid table number.`);
    return undefined;
  }
  if (/^\d+$/.test(text)) return tableNumber(Number(text));
  return names?.tableOf(unquote(text));
}

function tableNumber(table: number): number | undefined {
  if (table <= 255) return table;
  log.rl.warn(`table ${table} is outside the supported range 0 through 255`);
  return undefined;
}

export function formatTable(table: number, names?: TableNames): string {
  const name = names?.nameOf(table);
  if (name === undefined) return String(table);
  return /^[A-Za-z_][A-Za-z0-9_.-]*$/.test(name) ? name : JSON.stringify(name);
}

function unquote(text: string): string {
  return text.length > 1 && text.startsWith('"') && text.endsWith('"') ? text.slice(1, -1) : text;
}
