/**
 * Address prefixes in use, as a path-compressed binary trie over 128 bits in four words (an IPv4
 * address fills the first). It tells which prefix lengths can match an address at all, and after
 * how many bits that is certain.
 */

interface Node {
  /** The bits from the root to the end of this node, in four words; beyond `end` zero. */
  readonly bits: Uint32Array;
  end: number;
  /** How many rules have the prefix that ends here. */
  count: number;
  child0: Node | undefined;
  child1: Node | undefined;
}

export interface PrefixLookup {
  /** Lengths of the prefixes in use that the address has. */
  readonly lengths: readonly number[];
  /** Bits that prove that there are no others. */
  readonly checked: number;
}

export const PREFIX_BITS = 128;

function bitAt(words: Uint32Array, i: number): number {
  return (words[i >> 5]! >>> (31 - (i & 31))) & 1;
}

/** The first bit from `from` up to `end` in which two differ, or `end`. */
function firstDifference(a: Uint32Array, b: Uint32Array, from: number, end: number): number {
  for (let word = from >> 5; word < 4 && word * 32 < end; word++) {
    let x = (a[word]! ^ b[word]!) >>> 0;
    if (word === from >> 5 && (from & 31) !== 0) x &= 0xffff_ffff >>> (from & 31);
    if (x !== 0) return Math.min(word * 32 + Math.clz32(x), end);
  }
  return end;
}

function cut(bits: Uint32Array, end: number): Uint32Array {
  const out = Uint32Array.from(bits);
  for (let word = 0; word < 4; word++) {
    const keep = Math.min(Math.max(end - word * 32, 0), 32);
    out[word] = keep === 0 ? 0 : (out[word]! & (0xffff_ffff << (32 - keep))) >>> 0;
  }
  return out;
}

export class PrefixTrie {
  #root: Node | undefined;

  insert(prefix: Uint32Array, length: number): void {
    const leaf = (): Node => ({
      bits: cut(prefix, length),
      end: length,
      count: 1,
      child0: undefined,
      child1: undefined,
    });
    let attach = (node: Node): void => {
      this.#root = node;
    };
    let node = this.#root;
    let at = 0;
    while (node) {
      const end = Math.min(node.end, length);
      const diff = firstDifference(node.bits, prefix, at, end);
      if (diff < node.end) {
        const top: Node = { ...leaf(), bits: cut(prefix, diff), end: diff };
        if (diff < length) top.count = 0;
        setChild(top, node);
        if (diff < length) setChild(top, leaf());
        attach(top);
        return;
      }
      if (node.end === length) {
        node.count++;
        return;
      }
      at = node.end;
      const parent = node;
      attach = (child) => setChild(parent, child);
      node = bitAt(prefix, at) ? node.child1 : node.child0;
    }
    attach(leaf());
  }

  remove(prefix: Uint32Array, length: number): void {
    const path: Node[] = [];
    let node = this.#root;
    while (node && node.end < length) {
      path.push(node);
      node = bitAt(prefix, node.end) ? node.child1 : node.child0;
    }
    if (!node || node.end !== length || node.count === 0) throw new Error('no such prefix');
    node.count--;
    this.#prune(path, node);
  }

  #prune(path: readonly Node[], last: Node): void {
    for (let i = path.length; i >= 0; i--) {
      const node: Node = i === path.length ? last : path[i]!;
      const parent = path[i - 1];
      if (node.count > 0 || (node.child0 && node.child1)) return;
      const only = node.child0 ?? node.child1;
      if (!parent) this.#root = only;
      else if (bitAt(node.bits, parent.end)) parent.child1 = only;
      else parent.child0 = only;
    }
  }

  lookup(address: Uint32Array): PrefixLookup {
    const lengths: number[] = [];
    let node = this.#root;
    let at = 0;
    while (node) {
      const diff = firstDifference(node.bits, address, at, node.end);
      if (diff < node.end) return { lengths, checked: diff + 1 };
      if (node.count > 0) lengths.push(node.end);
      at = node.end;
      if (!node.child0 && !node.child1) return { lengths, checked: at };
      node = bitAt(address, at) ? node.child1 : node.child0;
    }
    return { lengths, checked: Math.min(at + 1, PREFIX_BITS) };
  }
}

function setChild(parent: Node, child: Node): void {
  if (bitAt(child.bits, parent.end)) parent.child1 = child;
  else parent.child0 = child;
}
