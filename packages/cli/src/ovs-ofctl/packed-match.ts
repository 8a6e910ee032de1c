/** Matches as short strings: equal ones are equal, and a hundred thousand of them are little memory. */
import { Match } from '@heddle/openflow';
import { Flow, flowEquals } from '@heddle/packet';

interface Shape {
  /** What its keys begin with. */
  readonly prefix: string;
  readonly mask: Flow;
  /** Words of a flow in which the mask has bits. */
  readonly words: readonly number[];
}

const MOST_RECENT = 8;

export class PackedMatches {
  readonly #shapes: Shape[] = [];
  readonly #byMask = new Map<string, Shape>();
  /** Those last asked for. */
  readonly #recent: Shape[] = [];
  /** Matches with tunnel options, which are rare. */
  readonly #whole = new Map<string, Match>();

  pack({ key, mask, tunMetadata }: Match): string {
    const { prefix, words } = this.#shapeOf(mask);
    let text = prefix;
    for (const word of words) {
      const bits = key.u32[word]!;
      text += String.fromCharCode(bits & 0xffff, bits >>> 16);
    }
    if (tunMetadata.length === 0) return text;
    for (const { index, value, mask: bits } of tunMetadata) {
      text += ` ${index}:${Buffer.from(value).toString('hex')}/${Buffer.from(bits).toString('hex')}`;
    }
    if (!this.#whole.has(text)) {
      this.#whole.set(text, new Match(key.clone(), mask.clone(), tunMetadata));
    }
    return text;
  }

  unpack(text: string): Match {
    const whole = this.#whole.get(text);
    if (whole) return whole;
    const { mask, words } = this.#shapes[text.charCodeAt(0) | (text.charCodeAt(1) << 16)]!;
    const key = new Flow();
    for (const [i, word] of words.entries()) {
      key.u32[word] = text.charCodeAt(2 * i + 2) | (text.charCodeAt(2 * i + 3) << 16);
    }
    return new Match(key, mask);
  }

  #shapeOf(mask: Flow): Shape {
    for (const shape of this.#recent) if (flowEquals(shape.mask, mask)) return shape;
    const { u8 } = mask;
    const id = Buffer.from(u8.buffer, u8.byteOffset, u8.byteLength).toString('latin1');
    let shape = this.#byMask.get(id);
    if (!shape) {
      const n = this.#shapes.length;
      const words = [...mask.u32.keys()].filter((i) => mask.u32[i] !== 0);
      const prefix = String.fromCharCode(n & 0xffff, n >>> 16);
      shape = { prefix, mask: mask.clone(), words };
      this.#shapes.push(shape);
      this.#byMask.set(id, shape);
    }
    if (this.#recent.length === MOST_RECENT) this.#recent.pop();
    this.#recent.unshift(shape);
    return shape;
  }
}
