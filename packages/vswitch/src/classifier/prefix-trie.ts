/**
 * Prefixes of addresses in use: which lengths of them an address has, and after how many bits that
 * is certain. Nodes are places in one array: an object of its own for each would take several times the
 * memory of a flow's key, and columns a cache line for each part of a node that is looked at.
 */

/** Which prefixes an address has. */
export interface PrefixLookup {
  /** Bits that prove that there are no others. */
  readonly checked: number;
  /** Whether a prefix of this length is in use that the address has. */
  has(length: number): boolean;
}

export const PREFIX_BITS = 128;
const WORDS = 4;
const NONE = 0;
/** Words of a node, half a cache line: the bits from the root to its end, in four words, beyond the end zero; */
const NODE = 8;
/** its end; */
const END = 4;
/** how many rules have the prefix that ends here; */
const COUNT = 5;
/** the node that goes on with a zero, and behind it the one with a one. */
const CHILD = 6;

function bitAt(words: Uint32Array, at: number, i: number): number {
  return (words[at + (i >> 5)]! >>> (31 - (i & 31))) & 1;
}

/** The first bit from `from` up to `end` in which two differ, or `end`. */
function firstDifference(
  a: Uint32Array,
  aAt: number,
  b: Uint32Array,
  from: number,
  end: number,
): number {
  for (let word = from >> 5; word < WORDS && word * 32 < end; word++) {
    let x = (a[aAt + word]! ^ b[word]!) >>> 0;
    if (word === from >> 5 && (from & 31) !== 0) x &= 0xffff_ffff >>> (from & 31);
    if (x !== 0) return Math.min(word * 32 + Math.clz32(x), end);
  }
  return end;
}

class Found implements PrefixLookup {
  checked = 0;
  readonly #lengths = new Uint8Array(PREFIX_BITS + 1);
  readonly #set = new Uint8Array(PREFIX_BITS + 1);
  #n = 0;

  clear(): this {
    for (let i = 0; i < this.#n; i++) this.#set[this.#lengths[i]!] = 0;
    this.#n = 0;
    return this;
  }

  add(length: number): void {
    this.#set[length] = 1;
    this.#lengths[this.#n++] = length;
  }

  has(length: number): boolean {
    return this.#set[length] === 1;
  }
}

export class PrefixTrie {
  /** A node is where it begins in `#nodes`. */
  #root = NONE;
  /** The place of the first stands for none. */
  #nodes = new Uint32Array(8 * NODE);
  #used = NODE;
  /** First of the nodes that are free again; each has the next one for its first child. */
  #free = NONE;
  readonly #found = new Found();
  readonly #path = new Uint32Array(PREFIX_BITS + 1);

  /** `prefix` is four words of which the first bit of the wire is the highest. */
  insert(prefix: Uint32Array, length: number): void {
    let parent = NONE;
    let node = this.#root;
    let at = 0;
    while (node !== NONE) {
      const nodeEnd = this.#nodes[node + END]!;
      const end = Math.min(nodeEnd, length);
      const diff = firstDifference(this.#nodes, node, prefix, at, end);
      if (diff < nodeEnd) {
        this.#split(parent, node, prefix, diff, length);
        return;
      }
      if (nodeEnd === length) {
        this.#nodes[node + COUNT]!++;
        return;
      }
      at = nodeEnd;
      parent = node;
      node = this.#nodes[node + CHILD + bitAt(prefix, 0, at)]!;
    }
    this.#attach(parent, this.#make(prefix, length, 1));
  }

  remove(prefix: Uint32Array, length: number): void {
    const nodes = this.#nodes;
    let depth = 0;
    let node = this.#root;
    while (node !== NONE && nodes[node + END]! < length) {
      this.#path[depth++] = node;
      node = nodes[node + CHILD + bitAt(prefix, 0, nodes[node + END]!)]!;
    }
    if (node === NONE || nodes[node + END] !== length || nodes[node + COUNT] === 0) {
      throw new Error('no such prefix');
    }
    nodes[node + COUNT]!--;
    this.#path[depth] = node;
    this.#prune(depth);
  }

  /** What it returns is good until the next lookup. */
  lookup(address: Uint32Array): PrefixLookup {
    const found = this.#found.clear();
    const nodes = this.#nodes;
    let node = this.#root;
    let at = 0;
    while (node !== NONE) {
      const end = nodes[node + END]!;
      const diff = firstDifference(nodes, node, address, at, end);
      if (diff < end) {
        found.checked = diff + 1;
        return found;
      }
      if (nodes[node + COUNT]! > 0) found.add(end);
      at = end;
      const zero = nodes[node + CHILD]!;
      const one = nodes[node + CHILD + 1]!;
      if (zero === NONE && one === NONE) {
        found.checked = at;
        return found;
      }
      node = bitAt(address, 0, at) ? one : zero;
    }
    found.checked = Math.min(at + 1, PREFIX_BITS);
    return found;
  }

  /** Puts a node that ends at `diff` above `node`. */
  #split(parent: number, node: number, prefix: Uint32Array, diff: number, length: number): void {
    const top = this.#make(prefix, diff, diff < length ? 0 : 1);
    this.#attach(parent, top);
    this.#setChild(top, node);
    if (diff < length) this.#setChild(top, this.#make(prefix, length, 1));
  }

  /** Takes out what holds no prefix and does not fork, from the end of the path up. */
  #prune(depth: number): void {
    const nodes = this.#nodes;
    for (let i = depth; i >= 0; i--) {
      const node = this.#path[i]!;
      const [zero, one] = [nodes[node + CHILD]!, nodes[node + CHILD + 1]!];
      if (nodes[node + COUNT]! > 0 || (zero !== NONE && one !== NONE)) return;
      const only = zero !== NONE ? zero : one;
      const parent = i === 0 ? NONE : this.#path[i - 1]!;
      if (parent === NONE) this.#root = only;
      else nodes[parent + CHILD + bitAt(nodes, node, nodes[parent + END]!)] = only;
      nodes[node + CHILD] = this.#free;
      this.#free = node;
    }
  }

  #make(prefix: Uint32Array, end: number, count: number): number {
    let node = this.#free;
    if (node !== NONE) this.#free = this.#nodes[node + CHILD]!;
    else {
      if (this.#used === this.#nodes.length) this.#grow();
      node = this.#used;
      this.#used += NODE;
    }
    const nodes = this.#nodes;
    for (let word = 0; word < WORDS; word++) {
      const keep = Math.min(Math.max(end - word * 32, 0), 32);
      const mask = keep === 0 ? 0 : 0xffff_ffff << (32 - keep);
      nodes[node + word] = prefix[word]! & mask;
    }
    nodes[node + END] = end;
    nodes[node + COUNT] = count;
    nodes[node + CHILD] = NONE;
    nodes[node + CHILD + 1] = NONE;
    return node;
  }

  #attach(parent: number, node: number): void {
    if (parent === NONE) this.#root = node;
    else this.#setChild(parent, node);
  }

  #setChild(parent: number, child: number): void {
    const nodes = this.#nodes;
    nodes[parent + CHILD + bitAt(nodes, child, nodes[parent + END]!)] = child;
  }

  #grow(): void {
    const grown = new Uint32Array(2 * this.#nodes.length);
    grown.set(this.#nodes);
    this.#nodes = grown;
  }
}
