/**
 * Geneve options in keys. A key has room for 12 bytes; of longer options it holds a digest that stands
 * for them, all of them being looked at or none. What digests stand for is kept here, as many as keys
 * in use may hold and no more.
 */
import type { Flow } from './flow.ts';

/** Bytes that a key holds as they are. */
export const TUN_OPTS_INLINE = 12;
/** Bytes that there can be: 63 words (RFC 8926, 3.4). */
export const TUN_OPTS_MAX = 252;
const WORDS = 64;
const LIMIT = 262_144;

const seed = new Uint32Array(3);
const known = new Map<string, Uint8Array>();
let elsewhere: (key: Flow) => Uint8Array | undefined = () => undefined;

/** Digests from now on are those of a datapath with this seed, which may know options, too. */
export function shareTunnelOptions(
  words: Uint32Array,
  lookup: (key: Flow) => Uint8Array | undefined,
): void {
  seed.set(words.subarray(0, seed.length));
  elsewhere = lookup;
}

/** Of a key; none when nobody knows what a digest stands for. */
export function tunnelOptions(key: Flow): Uint8Array {
  const { tunOptsLen, tunOpts } = key;
  if (tunOptsLen <= TUN_OPTS_INLINE) return tunOpts.subarray(0, tunOptsLen);
  const name = nameOf(tunOptsLen, tunOpts);
  const found = known.get(name) ?? elsewhere(key);
  if (!found) return new Uint8Array();
  keep(name, found);
  return found;
}

/** A multiple of 4 bytes, `TUN_OPTS_MAX` at most. */
export function putTunnelOptions(key: Flow, options: Uint8Array): void {
  const opts = new Uint8Array(TUN_OPTS_INLINE);
  if (options.length <= TUN_OPTS_INLINE) {
    opts.set(options);
  } else {
    opts.set(digest(options));
    keep(nameOf(options.length, opts), options.slice());
  }
  key.tunOptsLen = options.length;
  key.tunOpts = opts;
}

function nameOf(length: number, opts: Uint8Array): string {
  return `${length}/${opts.join()}`;
}

/** What was used last goes last. */
function keep(name: string, options: Uint8Array): void {
  known.delete(name);
  known.set(name, options);
  if (known.size > LIMIT) known.delete(known.keys().next().value!);
}

/** As the programs of the kernel's datapath compute it (bpf/tunnel-options.h). */
function digest(options: Uint8Array): Uint8Array {
  const words = new Uint32Array(WORDS);
  new Uint8Array(words.buffer).set(options);
  let [a, b, c] = [seed[0]! ^ options.length, seed[1]!, seed[2]!];
  for (const w of words) {
    a = Math.imul(a ^ w, 0x9e3779b1);
    a ^= a >>> 15;
    b = Math.imul(b + w, 0x85ebca77);
    b ^= b >>> 13;
    c = Math.imul(c ^ w, 0xc2b2ae3d);
    c ^= c >>> 16;
  }
  return new Uint8Array(Uint32Array.of(a, b, c).buffer);
}
