/**
 * Prefixes of addresses in use: which lengths of them an address has, and after how many bits that
 * is certain. Nodes are numbers into columns: an object of its own for each would take several
 * times the memory of a flow's key.
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
/** Node 0 stands for none. */
const FIRST = 1;

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
  #root = NONE;
  #capacity = 8;
  #used = FIRST;
  /** First of the nodes that are free again; they are chained by `#child0`. */
  #free = NONE;
  /** The bits from the root to the end of each node, in four words; beyond the end zero. */
  #bits = new Uint32Array(this.#capacity * WORDS);
  #ends = new Uint8Array(this.#capacity);
  /** How many rules have the prefix that ends here. */
  #counts = new Uint32Array(this.#capacity);
  #child0 = new Uint32Array(this.#capacity);
  #child1 = new Uint32Array(this.#capacity);
  readonly #found = new Found();
  readonly #path = new Uint32Array(PREFIX_BITS + 1);

  /** `prefix` is four words of which the first bit of the wire is the highest. */
  insert(prefix: Uint32Array, length: number): void {
    let parent = NONE;
    let node = this.#root;
    let at = 0;
    while (node !== NONE) {
      const nodeEnd = this.#ends[node]!;
      const end = Math.min(nodeEnd, length);
      const diff = firstDifference(this.#bits, node * WORDS, prefix, at, end);
      if (diff < nodeEnd) {
        this.#split(parent, node, prefix, diff, length);
        return;
      }
      if (nodeEnd === length) {
        this.#counts[node]!++;
        return;
      }
      at = nodeEnd;
      parent = node;
      node = bitAt(prefix, 0, at) ? this.#child1[node]! : this.#child0[node]!;
    }
    this.#attach(parent, this.#make(prefix, length, 1));
  }

  remove(prefix: Uint32Array, length: number): void {
    let depth = 0;
    let node = this.#root;
    while (node !== NONE && this.#ends[node]! < length) {
      this.#path[depth++] = node;
      node = bitAt(prefix, 0, this.#ends[node]!) ? this.#child1[node]! : this.#child0[node]!;
    }
    if (node === NONE || this.#ends[node] !== length || this.#counts[node] === 0) {
      throw new Error('no such prefix');
    }
    this.#counts[node]!--;
    this.#path[depth] = node;
    this.#prune(depth);
  }

  /** What it returns is good until the next lookup. */
  lookup(address: Uint32Array): PrefixLookup {
    const found = this.#found.clear();
    let node = this.#root;
    let at = 0;
    while (node !== NONE) {
      const end = this.#ends[node]!;
      const diff = firstDifference(this.#bits, node * WORDS, address, at, end);
      if (diff < end) {
        found.checked = diff + 1;
        return found;
      }
      if (this.#counts[node]! > 0) found.add(end);
      at = end;
      const [zero, one] = [this.#child0[node]!, this.#child1[node]!];
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
    for (let i = depth; i >= 0; i--) {
      const node = this.#path[i]!;
      const [zero, one] = [this.#child0[node]!, this.#child1[node]!];
      if (this.#counts[node]! > 0 || (zero !== NONE && one !== NONE)) return;
      const only = zero !== NONE ? zero : one;
      const parent = i === 0 ? NONE : this.#path[i - 1]!;
      if (parent === NONE) this.#root = only;
      else if (bitAt(this.#bits, node * WORDS, this.#ends[parent]!)) this.#child1[parent] = only;
      else this.#child0[parent] = only;
      this.#child0[node] = this.#free;
      this.#free = node;
    }
  }

  #make(prefix: Uint32Array, end: number, count: number): number {
    let node = this.#free;
    if (node !== NONE) this.#free = this.#child0[node]!;
    else {
      if (this.#used === this.#capacity) this.#grow();
      node = this.#used++;
    }
    for (let word = 0; word < WORDS; word++) {
      const keep = Math.min(Math.max(end - word * 32, 0), 32);
      const mask = keep === 0 ? 0 : 0xffff_ffff << (32 - keep);
      this.#bits[node * WORDS + word] = prefix[word]! & mask;
    }
    this.#ends[node] = end;
    this.#counts[node] = count;
    this.#child0[node] = NONE;
    this.#child1[node] = NONE;
    return node;
  }

  #attach(parent: number, node: number): void {
    if (parent === NONE) this.#root = node;
    else this.#setChild(parent, node);
  }

  #setChild(parent: number, child: number): void {
    const side = bitAt(this.#bits, child * WORDS, this.#ends[parent]!);
    (side ? this.#child1 : this.#child0)[parent] = child;
  }

  #grow(): void {
    this.#capacity *= 2;
    const grown = <T extends Uint8Array | Uint32Array>(old: T, fresh: T): T => {
      fresh.set(old);
      return fresh;
    };
    const words = () => new Uint32Array(this.#capacity);
    this.#bits = grown(this.#bits, new Uint32Array(this.#capacity * WORDS));
    this.#ends = grown(this.#ends, new Uint8Array(this.#capacity));
    this.#counts = grown(this.#counts, words());
    this.#child0 = grown(this.#child0, words());
    this.#child1 = grown(this.#child1, words());
  }
}
