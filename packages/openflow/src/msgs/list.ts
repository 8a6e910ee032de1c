/** Lists of entries to the end of a message. */
import { OfpError } from '../errors.ts';
import type { Reader } from './reader.ts';

/** What was read before an error is kept with it, since a message is printed as far as it goes. */
export function pullList<T, F extends object>(
  r: Reader,
  pull: (r: Reader) => T,
  fields: (items: T[]) => F,
): F {
  const items: T[] = [];
  try {
    while (r.left > 0) items.push(pull(r));
  } catch (e) {
    if (e instanceof OfpError) e.partial = fields(items);
    throw e;
  }
  return fields(items);
}
