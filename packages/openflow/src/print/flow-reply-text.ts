/**
 * Long replies with flows in text. Flows come in few shapes, between which counters and some values
 * of the match differ: of each shape the text of one flow is kept, and where in it which values
 * stand. Where one stands is found by printing the flow with another value in its place. So a
 * template says what decoder and printer say, or there is none.
 */
import { formatIpv4, formatMac } from '@heddle/packet';
import { OFP_DEFAULT_PRIORITY } from '../constants.ts';
import { OfpError } from '../errors.ts';
import type { FlowStats } from '../messages.ts';
import { pullFlowProperties } from '../msgs/flow-stats.ts';
import { decodeMessage } from '../msgs/index.ts';
import { Reader } from '../msgs/reader.ts';
import { formatFlowProperties, formatFlowStats } from './print-flows.ts';
import type { PrintNames } from './print-names.ts';

interface Template {
  /** The flow that it was made of, from its match on. */
  readonly bytes: Uint8Array;
  /** Where in it values lie. */
  readonly holes: readonly number[];
  /** What stands between the values. */
  readonly texts: readonly string[];
  /** Of the values, as they stand in the text: the number of the hole, and how they are written. */
  readonly values: readonly (readonly [hole: number, kind: Kind])[];
}

type Kind = 'u16' | 'ipv4' | 'mac';
const BYTES: Readonly<Record<Kind, number>> = { u16: 2, ipv4: 4, mac: 6 };

const MULTIPART_HEADER = 16;
/** A flow's length, table, counters and so on. */
const FIXED = 48;
const OFPT11_MULTIPART_REPLY = 19;
const OFPST_FLOW = 1;
const OFPMT_OXM = 1;
const MAX_VALUES = 12;
const MAX_TEMPLATES = 1024;
const MAX_SEEN = 1 << 16;

/** By header: class 0x8000, no mask. */
const KINDS: ReadonlyMap<number, Kind> = new Map(
  (
    [
      // eth_dst, eth_src, arp_sha, arp_tha
      ...[3, 4, 24, 25].map((field) => [field, 'mac']),
      // ipv4_src, ipv4_dst, arp_spa, arp_tpa
      ...[11, 12, 22, 23].map((field) => [field, 'ipv4']),
      // tcp_src, tcp_dst, udp_src, udp_dst, sctp_src, sctp_dst
      ...[13, 14, 15, 16, 17, 18].map((field) => [field, 'u16']),
    ] as [number, Kind][]
  ).map(([field, kind]) => [(0x8000_0000 | (field << 9) | BYTES[kind]) >>> 0, kind]),
);

export class FlowReplyText {
  readonly #names: PrintNames;
  readonly #templates = new Map<number, Template | undefined>();
  readonly #seen = new Set<number>();
  // The flow that was scanned last.
  #hash = 0;
  #count = 0;
  readonly #holes = new Uint32Array(MAX_VALUES);
  readonly #kinds: Kind[] = [];

  /** Texts with colors have no templates. */
  constructor(names: PrintNames) {
    this.#names = names;
  }

  /** The body of a reply of OpenFlow 1.2 to 1.4; undefined: something else, or there is an error. */
  print(raw: Uint8Array): string | undefined {
    const version = raw[0]!;
    if (this.#names.colors || version < 3 || version > 5) return undefined;
    if (raw[1] !== OFPT11_MULTIPART_REPLY || raw.length < MULTIPART_HEADER) return undefined;
    if (((raw[8]! << 8) | raw[9]!) !== OFPST_FLOW) return undefined;
    try {
      return this.#printFlows(new Reader(raw));
    } catch (error) {
      if (error instanceof OfpError) return undefined;
      throw error;
    }
  }

  #printFlows(r: Reader): string | undefined {
    const raw = r.u8;
    let out = '';
    for (let at = MULTIPART_HEADER; at < raw.length; ) {
      const length = at + 2 > raw.length ? 0 : (raw[at]! << 8) | raw[at + 1]!;
      const end = at + length;
      if (length < FIXED + 8 || end > raw.length) return undefined;
      const text = this.#find(r, at, end) ?? this.#learn(raw, at, end);
      if (text === undefined) return undefined;
      out += text;
      at = end;
    }
    return out;
  }

  #find(r: Reader, at: number, end: number): string | undefined {
    const { u8 } = r;
    if (!this.#scan(u8, at + FIXED, end)) return undefined;
    const template = this.#templates.get(this.#hash);
    if (template === undefined || !this.#fits(template, u8, at + FIXED, end)) return undefined;
    const flow = pullFlowProperties(r, at);
    let out = `\n${formatFlowProperties(flow, { names: this.#names, showStats: true })}`;
    if (flow.priority !== OFP_DEFAULT_PRIORITY) out += `priority=${flow.priority},`;
    const { texts, values, holes } = template;
    out += texts[0]!;
    for (let i = 0; i < values.length; i++) {
      const [hole, kind] = values[i]!;
      out += valueText(u8, at + FIXED + holes[hole]!, kind) + texts[i + 1]!;
    }
    return out;
  }

  /** Prints the flow that `#find` did not know, and takes it for others of its shape. */
  #learn(raw: Uint8Array, at: number, end: number): string | undefined {
    const entry = copyOf(raw, at, end);
    const flow = decodeOne(raw, entry);
    if (flow === undefined) return undefined;
    const hash = this.#hash;
    if (this.#count > 0 && !this.#templates.has(hash)) {
      if (this.#seen.has(hash)) {
        if (this.#templates.size < MAX_TEMPLATES) {
          this.#templates.set(hash, this.#make(raw, entry, flow));
        }
      } else if (this.#seen.size < MAX_SEEN) this.#seen.add(hash);
    }
    return `\n${formatFlowStats(flow, { names: this.#names, showStats: true })}`;
  }

  #make(raw: Uint8Array, entry: Uint8Array, flow: FlowStats): Template | undefined {
    const text = this.#textOf(flow);
    if (text === undefined) return undefined;
    const places: { from: number; to: number; hole: number }[] = [];
    for (let hole = 0; hole < this.#count; hole++) {
      const place = this.#place(raw, entry, hole, text);
      if (place === undefined) return undefined;
      places.push({ ...place, hole });
    }
    places.sort((a, b) => a.from - b.from);
    const texts: string[] = [];
    let done = 0;
    for (const { from, to } of places) {
      texts.push(text.slice(done, from));
      done = to;
    }
    texts.push(text.slice(done));
    return {
      bytes: copyOf(entry, FIXED, entry.length),
      holes: [...this.#holes.subarray(0, this.#count)],
      texts,
      values: places.map(({ hole }) => [hole, this.#kinds[hole]!]),
    };
  }

  /** Where the text differs when a value does. */
  #place(raw: Uint8Array, entry: Uint8Array, hole: number, text: string) {
    const at = FIXED + this.#holes[hole]!;
    const kind = this.#kinds[hole]!;
    const other = copyOf(entry, 0, entry.length);
    for (let i = at; i < at + BYTES[kind]; i++) other[i]! ^= 0x55;
    const flow = decodeOne(raw, other);
    const changed = flow && this.#textOf(flow);
    const [was, is] = [valueText(entry, at, kind), valueText(other, at, kind)];
    for (let from = text.indexOf(was); from >= 0; from = text.indexOf(was, from + 1)) {
      const to = from + was.length;
      if (text.slice(0, from) + is + text.slice(to) === changed) return { from, to };
    }
    return undefined;
  }

  /** Match and actions, without the priority. */
  #textOf(flow: FlowStats): string | undefined {
    const format = { names: this.#names, showStats: true };
    const text = formatFlowStats(flow, format).slice(formatFlowProperties(flow, format).length);
    if (flow.priority === OFP_DEFAULT_PRIORITY) return text;
    const priority = `priority=${flow.priority},`;
    return text.startsWith(priority) ? text.slice(priority.length) : undefined;
  }

  #fits({ bytes, holes }: Template, u8: Uint8Array, at: number, end: number): boolean {
    if (bytes.length !== end - at || holes.length !== this.#count) return false;
    let from = 0;
    for (let i = 0; i <= holes.length; i++) {
      const to = i < holes.length ? holes[i]! : bytes.length;
      for (let n = from; n < to; n++) if (bytes[n] !== u8[at + n]) return false;
      if (i === holes.length) return true;
      if (this.#holes[i] !== to) return false;
      from = to + BYTES[this.#kinds[i]!];
    }
    return true;
  }

  /** Finds the values of a match, and a hash of all else; false when it is no OXM match. */
  #scan(u8: Uint8Array, from: number, end: number): boolean {
    this.#count = 0;
    this.#hash = 0;
    const length = (u8[from + 2]! << 8) | u8[from + 3]!;
    const matchEnd = from + length;
    if (((u8[from]! << 8) | u8[from + 1]!) !== OFPMT_OXM || length < 4 || matchEnd > end) {
      return false;
    }
    let hash = length;
    let at = from + 4;
    while (at + 4 <= matchEnd) {
      const header =
        ((u8[at]! << 24) | (u8[at + 1]! << 16) | (u8[at + 2]! << 8) | u8[at + 3]!) >>> 0;
      hash = mix(hash, header);
      at += 4;
      const size = header & 0xff;
      const kind = (header & 0xffff_0000) === (0x8000_0000 | 0) ? KINDS.get(header) : undefined;
      if (kind !== undefined && this.#count < MAX_VALUES) {
        this.#holes[this.#count] = at - from;
        this.#kinds[this.#count++] = kind;
        at += size;
      } else {
        const stop = Math.min(at + size, matchEnd);
        for (; at < stop; at++) hash = mix(hash, u8[at]!);
      }
    }
    for (; at < end; at++) hash = mix(hash, u8[at]!);
    this.#hash = hash;
    return at === end;
  }
}

function decodeOne(raw: Uint8Array, entry: Uint8Array): FlowStats | undefined {
  const message = new Uint8Array(MULTIPART_HEADER + entry.length);
  message.set(raw.subarray(0, MULTIPART_HEADER));
  message.set(entry, MULTIPART_HEADER);
  message[2] = message.length >>> 8;
  message[3] = message.length;
  try {
    const msg = decodeMessage(message);
    return msg.type === 'flow_reply' && msg.flows.length === 1 ? msg.flows[0] : undefined;
  } catch (error) {
    if (error instanceof OfpError) return undefined;
    throw error;
  }
}

function valueText(u8: Uint8Array, at: number, kind: Kind): string {
  const high = (u8[at]! << 8) | u8[at + 1]!;
  if (kind === 'u16') return String(high);
  const low = ((u8[at + 2]! << 24) | (u8[at + 3]! << 16)) >>> 0;
  if (kind === 'mac') return formatMac(high * 2 ** 32 + low + ((u8[at + 4]! << 8) | u8[at + 5]!));
  return formatIpv4(((high << 16) | (u8[at + 2]! << 8) | u8[at + 3]!) >>> 0);
}

/** A Buffer's `slice` is a view. */
function copyOf(bytes: Uint8Array, from: number, to: number): Uint8Array {
  return Uint8Array.from(bytes.subarray(from, to));
}

/** FNV-1a. */
function mix(hash: number, c: number): number {
  return Math.imul(hash ^ c, 0x01000193);
}
