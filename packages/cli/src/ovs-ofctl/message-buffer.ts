/** Messages that go in one piece: a system call for each would cost more than all else. */
const XID = 4;

export class MessageBuffer {
  #bytes = Buffer.allocUnsafe(1 << 16);
  length = 0;

  /** The message is copied and gets the xid; so does the message within, which begins at `inner`. */
  push(raw: Uint8Array, xid: number, inner = 0): void {
    const at = this.length;
    const end = at + raw.length;
    if (end > this.#bytes.length) {
      const larger = Buffer.allocUnsafe(Math.max(end, this.#bytes.length * 2));
      larger.set(this.#bytes.subarray(0, at));
      this.#bytes = larger;
    }
    this.#bytes.set(raw, at);
    this.#bytes.writeUInt32BE(xid, at + XID);
    if (inner > 0) this.#bytes.writeUInt32BE(xid, at + inner + XID);
    this.length = end;
  }

  /** All of it, and begins anew. */
  take(): Uint8Array {
    const all = Uint8Array.from(this.#bytes.subarray(0, this.length));
    this.length = 0;
    return all;
  }
}
