/** Atoms and datums as ovs-vsctl(8) "Database Values" writes them. */
import { type Atom, type AtomicType, isUuid } from './atom.ts';
import type { ColumnType, Datum } from './datum.ts';
import { realText } from './json.ts';

const WORD = /^[a-zA-Z_][a-zA-Z0-9_.-]*$/;

/** A string is quoted unless it is a word that could be nothing else. */
export function atomToText(type: AtomicType, atom: Atom): string {
  if (type === 'real') return realText(atom as number);
  if (type !== 'string') return String(atom);
  const text = atom as string;
  const plain = WORD.test(text) && text !== 'true' && text !== 'false' && !isUuid(text);
  return plain ? text : JSON.stringify(text);
}

export function datumToText(type: ColumnType, datum: Datum): string {
  const { key, value, max } = type;
  const parts = datum.keys.map((k, i) => {
    const text = atomToText(key.type, k);
    return value ? `${text}=${atomToText(value.type, datum.values![i]!)}` : text;
  });
  if (value) return `{${parts.join(', ')}}`;
  return max > 1 || parts.length === 0 ? `[${parts.join(', ')}]` : parts.join(', ');
}

/** The same without punctuation (`--data=bare`). */
export function datumToBareText(type: ColumnType, datum: Datum): string {
  const bare = (t: AtomicType, atom: Atom) =>
    t === 'string' ? (atom as string) : atomToText(t, atom);
  const { key, value } = type;
  return datum.keys
    .map((k, i) => {
      const text = bare(key.type, k);
      return value ? `${text}=${bare(value.type, datum.values![i]!)}` : text;
    })
    .join(' ');
}
