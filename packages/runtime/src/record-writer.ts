/**
 * Writes a record of a log, whose head holds a hash of its body, at a position of a file: `head`, the
 * SHA-1 hash of the body in hexadecimal, a newline, the body, and `tail`. The body is the text as
 * UTF-8, and spaces up to a last newline that make it `length` bytes. When all has been written, it sends
 * `answer` to the socket of a file descriptor unless that is below zero; `sent` gets how many bytes the
 * kernel has taken at once, -1 for all. Returns how many bytes were written; throws as `writeSync` does,
 * EMSGSIZE for more than `MAX_RECORD_BYTES` in all. Node takes ten calls for it; the package that has one
 * brings it here.
 */
export type RecordWriter = (
  fd: number,
  position: number,
  head: string,
  text: string,
  length: number,
  tail: Uint8Array | null,
  socket: number,
  answer: string,
  sent: Int32Array,
) => number;

export const MAX_RECORD_BYTES = 128 * 1024;

let installed: RecordWriter | undefined;

export function installRecordWriter(writer: RecordWriter | undefined): void {
  installed = writer;
}

/** undefined where no package has brought any. */
export function recordWriter(): RecordWriter | undefined {
  return installed;
}
