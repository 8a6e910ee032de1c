/**
 * How deep the stack of a compiled BPF object gets. Until Linux 6.8 the verifier rounds the frame of
 * every function up to 32 bytes and takes at most 512 of them, and 8 frames, in a chain of calls, so
 * that an object which newer kernels load may be refused by older ones.
 * Source: kernel/bpf/verifier.c's messages, Documentation/bpf.
 */
import { execFileSync } from 'node:child_process';

const MAX_STACK_BYTES = 512;
const MAX_FRAMES = 8;
const FRAME_UNIT = 32;

interface Frame {
  bytes: number;
  readonly calls: Set<string>;
}

interface Chain {
  readonly names: readonly string[];
  readonly bytes: number;
}

/** The frames of an object's functions, from the text that `llvm-objdump -dr` prints. */
function parseFrames(text: string): Map<string, Frame> {
  const frames = new Map<string, Frame>();
  let frame: Frame | undefined;
  let stackPointer = '';
  for (const line of text.split('\n')) {
    const begins = /^[0-9a-f]+ <(?!LBB)([^>]+)>:/.exec(line);
    if (begins) {
      frame = { bytes: 0, calls: new Set() };
      frames.set(begins[1]!, frame);
    }
    if (frame === undefined) continue;
    const called = /R_BPF_64_32\s+(\S+)/.exec(line)?.[1];
    if (called !== undefined) frame.calls.add(called);
    const at = /r10 - (0x[0-9a-f]+|\d+)/.exec(line)?.[1];
    const moved = /\b(r\d) \+= -(0x[0-9a-f]+|\d+)/.exec(line);
    const depth = at ?? (moved?.[1] === stackPointer ? moved[2] : undefined);
    frame.bytes = Math.max(frame.bytes, Number(depth ?? 0));
    stackPointer = /\b(r\d) = r10\b/.exec(line)?.[1] ?? '';
  }
  return frames;
}

/** The deepest chain of calls by `weight` of its functions, from any function on. */
function deepest(frames: ReadonlyMap<string, Frame>, weight: (frame: Frame) => number): string[] {
  const known = new Map<string, { names: string[]; sum: number }>();
  const from = (name: string, above: readonly string[]): { names: string[]; sum: number } => {
    const found = known.get(name);
    if (found !== undefined) return found;
    if (above.includes(name)) throw new Error(`${name} calls itself: ${above.join(' > ')}`);
    const frame = frames.get(name)!;
    let below: { names: string[]; sum: number } = { names: [], sum: 0 };
    for (const called of frame.calls) {
      if (!frames.has(called)) continue; // the kernel's
      const chain = from(called, [...above, name]);
      if (chain.sum > below.sum) below = chain;
    }
    const chain = { names: [name, ...below.names], sum: weight(frame) + below.sum };
    known.set(name, chain);
    return chain;
  };
  let best: { names: string[]; sum: number } = { names: [], sum: 0 };
  for (const name of frames.keys()) {
    const chain = from(name, []);
    if (chain.sum > best.sum) best = chain;
  }
  return best.names;
}

/** The chain with the most bytes and the one with the most frames in a disassembly. */
function deepestChains(disassembly: string): readonly [Chain, Chain] {
  const frames = parseFrames(disassembly);
  const size = ({ bytes }: Frame) => Math.max(1, Math.ceil(bytes / FRAME_UNIT)) * FRAME_UNIT;
  const chain = (weight: (frame: Frame) => number): Chain => {
    const names = deepest(frames, weight);
    return { names, bytes: names.reduce((sum, name) => sum + size(frames.get(name)!), 0) };
  };
  return [chain(size), chain(() => 1)];
}

/** @throws Error naming the chain of calls that some kernels' verifier would refuse */
export function checkDisassembly(disassembly: string): void {
  for (const { names, bytes } of deepestChains(disassembly)) {
    if (bytes <= MAX_STACK_BYTES && names.length <= MAX_FRAMES) continue;
    throw new Error(
      `stack too deep: ${bytes} bytes in ${names.length} frames: ${names.join(' > ')}`,
    );
  }
}

/** As `checkDisassembly`, of an object file. */
export function checkStack(object: string): void {
  const options = ['-d', '-r', '--no-show-raw-insn', object];
  checkDisassembly(
    execFileSync('llvm-objdump', options, { encoding: 'utf8', maxBuffer: 64 << 20 }),
  );
}
