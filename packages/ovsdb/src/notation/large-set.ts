/**
 * A set of many atoms in pieces, which a changed copy shares but for those that differ: what a
 * change costs does not grow with the set.
 */
import { type Atom, compareAtoms } from './atom.ts';
import type { Datum } from './datum.ts';

type Piece = readonly Atom[];

/** Sets up to this size are plain arrays. */
export const MAX_PLAIN = 128;
const MAX_PIECE = 128;
/** Smaller pieces are joined with the one before. */
const MIN_PIECE = 16;

/** The set whose keys have been asked for last, and they. */
let flat: { readonly set: LargeSet; readonly keys: Piece } | undefined;

export class LargeSet implements Datum {
  readonly size: number;
  readonly #pieces: readonly Piece[];

  private constructor(pieces: readonly Piece[], size: number) {
    this.#pieces = pieces;
    this.size = size;
  }

  /** `keys` are in order. */
  static of(keys: Piece): LargeSet {
    const pieces: Piece[] = [];
    cut(keys, pieces);
    return new LargeSet(pieces, keys.length);
  }

  /** All keys in order: at a cost that grows with the set. */
  get keys(): Piece {
    if (flat?.set !== this) flat = { set: this, keys: join(this.#pieces) };
    return flat.keys;
  }

  has(key: Atom): boolean {
    const piece = this.#pieces[this.#pieceOf(key)]!;
    return piece[positionIn(piece, key)] === key;
  }

  /** The position of a key, or -1. */
  find(key: Atom): number {
    const piece = this.#pieceOf(key);
    const at = positionIn(this.#pieces[piece]!, key);
    if (this.#pieces[piece]![at] !== key) return -1;
    let before = 0;
    for (let i = 0; i < piece; i++) before += this.#pieces[i]!.length;
    return before + at;
  }

  equals(other: LargeSet): boolean {
    if (other === this) return true;
    if (other.size !== this.size) return false;
    const [a, b] = [this.#pieces, other.#pieces];
    let [pieceA, pieceB, atA, atB] = [0, 0, 0, 0];
    while (pieceA < a.length) {
      if (atA === 0 && atB === 0 && a[pieceA] === b[pieceB]) atA = atB = a[pieceA]!.length;
      else if (a[pieceA]![atA++] !== b[pieceB]![atB++]) return false;
      if (atA === a[pieceA]!.length) [pieceA, atA] = [pieceA + 1, 0];
      if (atB === b[pieceB]!.length) [pieceB, atB] = [pieceB + 1, 0];
    }
    return true;
  }

  /** How many atoms `differing` has in both of its parts. */
  differingSize(other: LargeSet): number {
    const { start, endA, endB } = this.#commonPieces(other);
    const [a, b] = [this.#pieces, other.#pieces];
    let size = 0;
    for (let i = start; i < endA; i++) size += a[i]!.length;
    for (let i = start; i < endB; i++) size += b[i]!.length;
    return size;
  }

  /** The atoms of this set and of another between what both have in common at their ends. */
  differing(other: LargeSet): { before: Piece; after: Piece } {
    const { start, endA, endB } = this.#commonPieces(other);
    return {
      before: join(this.#pieces.slice(start, endA)),
      after: join(other.#pieces.slice(start, endB)),
    };
  }

  /** Where the pieces that both sets share at their ends end, and begin again. */
  #commonPieces(other: LargeSet): { start: number; endA: number; endB: number } {
    const [a, b] = [this.#pieces, other.#pieces];
    let start = 0;
    let [endA, endB] = [a.length, b.length];
    while (start < endA && start < endB && a[start] === b[start]) start++;
    while (endA > start && endB > start && a[endA - 1] === b[endB - 1]) {
      endA--;
      endB--;
    }
    return { start, endA, endB };
  }

  /** With one atom more; the same set when it has that already. */
  with(key: Atom): LargeSet {
    const at = this.#pieceOf(key);
    const piece = this.#pieces[at]!;
    const position = positionIn(piece, key);
    if (piece[position] === key) return this;
    const changed = piece.toSpliced(position, 0, key);
    if (changed.length <= MAX_PIECE) {
      return new LargeSet(this.#pieces.with(at, changed), this.size + 1);
    }
    const halves: Piece[] = [];
    cut(changed, halves);
    return new LargeSet(this.#pieces.toSpliced(at, 1, ...halves), this.size + 1);
  }

  /** Without atoms that it has and with others that it has not, both in order. */
  edited(gone: Piece, added: Piece): LargeSet {
    const out: Piece[] = [];
    let [copied, g, n] = [0, 0, 0];
    while (g < gone.length || n < added.length) {
      const first =
        n >= added.length || (g < gone.length && compareAtoms(gone[g]!, added[n]!) < 0)
          ? gone[g]!
          : added[n]!;
      const at = this.#pieceOf(first);
      for (; copied < at; copied++) out.push(this.#pieces[copied]!);
      copied = at + 1;
      // What comes before the next piece belongs to this one.
      const end = this.#pieces[at + 1]?.[0];
      const [fromG, fromN] = [g, n];
      while (g < gone.length && (end === undefined || gone[g]! < end)) g++;
      while (n < added.length && (end === undefined || added[n]! < end)) n++;
      const piece = merge(this.#pieces[at]!, gone.slice(fromG, g), added.slice(fromN, n));
      const before = out.at(-1);
      if (piece.length === 0) continue;
      if (piece.length >= MIN_PIECE || !before) cut(piece, out);
      else {
        out.pop();
        cut(before.concat(piece), out);
      }
    }
    for (; copied < this.#pieces.length; copied++) out.push(this.#pieces[copied]!);
    return new LargeSet(out, this.size + added.length - gone.length);
  }

  /** The last piece that does not begin behind the key. */
  #pieceOf(key: Atom): number {
    let [low, high] = [0, this.#pieces.length - 1];
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (compareAtoms(this.#pieces[middle]![0]!, key) <= 0) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}

/** Adds atoms to the pieces, in pieces of even sizes. */
function cut(atoms: Piece, to: Piece[]): void {
  const count = Math.ceil(atoms.length / MAX_PIECE);
  if (count === 1) to.push(atoms);
  else {
    for (let i = 0; i < count; i++) {
      const [from, end] = [i, i + 1].map((n) => Math.round((n * atoms.length) / count));
      to.push(atoms.slice(from, end));
    }
  }
}

function merge(piece: Piece, gone: Piece, added: Piece): Piece {
  if (gone.length === 0 && added.length === 1) {
    return piece.toSpliced(positionIn(piece, added[0]!), 0, added[0]!);
  }
  const out: Atom[] = [];
  let [g, n] = [0, 0];
  for (const atom of piece) {
    while (n < added.length && added[n]! < atom) out.push(added[n++]!);
    if (atom === gone[g]) g++;
    else out.push(atom);
  }
  for (; n < added.length; n++) out.push(added[n]!);
  return out;
}

/** The first position whose atom is not less. */
function positionIn(atoms: Piece, key: Atom): number {
  let [low, high] = [0, atoms.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (compareAtoms(atoms[middle]!, key) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

function join(pieces: readonly Piece[]): Piece {
  return pieces.length === 1 ? pieces[0]! : ([] as Atom[]).concat(...pieces);
}
