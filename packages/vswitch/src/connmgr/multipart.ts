/**
 * Requests that come in several parts (OpenFlow 1.3.5, section 7.3.5): all but the last say that there
 * is more. Kept as bytes until they are whole.
 */
import { messageName } from '@heddle/openflow';
import type { Clock, Timer } from '@heddle/runtime';

/** Parts of a connection's requests together. */
const MAX_BYTES = 4 * 1024 * 1024;
/** What it takes to keep a part, beside its bytes. */
const PART_BYTES = 512;
const PATIENCE_MS = 1000;

const OFPT_MULTIPART_REQUEST = 18;
const OFPMPF_REQ_MORE = 1;

interface Pending {
  readonly parts: Uint8Array[];
  readonly timer: Timer;
}

export class MultipartRequests {
  readonly #clock: Clock;
  readonly #refuse: (ofpErr: string, raw: Uint8Array) => void;
  readonly #pending = new Map<number, Pending>();
  #bytes = 0;

  /** `refuse` hears of parts that wait in vain, and of what there is no room for. */
  constructor(clock: Clock, refuse: (ofpErr: string, raw: Uint8Array) => void) {
    this.#clock = clock;
    this.#refuse = refuse;
  }

  /** All parts in order when `raw` is whole or the last one; undefined when it was taken care of. */
  gather(raw: Uint8Array): readonly Uint8Array[] | undefined {
    if (raw[0]! < 4 || raw[1] !== OFPT_MULTIPART_REQUEST || !isWellFormed(raw)) return [raw];
    const dv = new DataView(raw.buffer, raw.byteOffset, raw.byteLength);
    const xid = dv.getUint32(4);
    const hasMore = (dv.getUint16(10) & OFPMPF_REQ_MORE) !== 0;
    const pending = this.#pending.get(xid);
    if (!pending && !hasMore) return [raw];
    if (pending && typeOf(pending.parts[0]!) !== typeOf(raw)) {
      this.#drop(xid);
      this.#refuse('OFPBRC_BAD_STAT', raw);
      return undefined;
    }
    if (this.#bytes + raw.length + PART_BYTES > MAX_BYTES) {
      this.#drop(xid);
      this.#refuse('OFPBRC_MULTIPART_BUFFER_OVERFLOW', raw);
      return undefined;
    }
    if (hasMore) {
      this.#keep(xid, raw);
      return undefined;
    }
    const parts = [...pending!.parts, raw];
    this.#drop(xid);
    // Those of headers alone add nothing.
    const full = parts.filter(({ length }) => length > HEADER);
    if (full.length > 1 && !LISTS.has(typeOf(raw))) {
      // What is asked once for all cannot go on in another part.
      this.#refuse('OFPBRC_BAD_STAT', parts[0]!);
      return undefined;
    }
    return full.length > 0 ? full : [raw];
  }

  #keep(xid: number, raw: Uint8Array): void {
    const part = raw.slice();
    this.#bytes += part.length + PART_BYTES;
    const pending = this.#pending.get(xid);
    if (pending) {
      pending.parts.push(part);
      return;
    }
    const timer = this.#clock.after(PATIENCE_MS, () => {
      this.#drop(xid);
      this.#refuse('OFPBRC_MULTIPART_REQUEST_TIMEOUT', part);
    });
    this.#pending.set(xid, { parts: [part], timer });
  }

  #drop(xid: number): void {
    const pending = this.#pending.get(xid);
    if (!pending) return;
    pending.timer.cancel();
    for (const { length } of pending.parts) this.#bytes -= length + PART_BYTES;
    this.#pending.delete(xid);
  }

  /** The connection has ended. */
  close(): void {
    for (const xid of [...this.#pending.keys()]) this.#drop(xid);
  }
}

/** What has a wrong length or type is refused by itself; a part of the headers alone may be one of any type. */
function isWellFormed(raw: Uint8Array): boolean {
  try {
    messageName(raw, raw.length === HEADER);
    return true;
  } catch {
    return false;
  }
}

/** Of the headers alone. */
const HEADER = 16;
const OFPMP_FLOW_MONITOR = 16;
const OFPMP_TABLE_FEATURES = 12;
const LISTS: ReadonlySet<number> = new Set([OFPMP_FLOW_MONITOR, OFPMP_TABLE_FEATURES]);

function typeOf(raw: Uint8Array): number {
  return (raw[8]! << 8) | raw[9]!;
}
