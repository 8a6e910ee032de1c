import { connect } from 'node:net';
import { errnoOf, HeddleError, messageOf, SystemError } from './errors.ts';
import { JsonStream } from './json-stream.ts';

export interface UnixctlReply {
  readonly result: string | null;
  readonly error: string | null;
}

/** Nobody listens at the socket. */
export class ConnectError extends SystemError {
  override name = 'ConnectError';
}

const MAX_REPLY_BYTES = 1 << 30;

/**
 * Sends one command to the control socket at `path` and waits for its reply. Rejects with
 * ConnectError, SystemError when the connection breaks, or HeddleError when the reply is none.
 */
export function unixctlCall(
  path: string,
  method: string,
  args: readonly string[],
  signal?: AbortSignal,
): Promise<UnixctlReply> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    const stream = new JsonStream(MAX_REPLY_BYTES);
    let connected = false;
    const onAbort = () => socket.destroy(new SystemError('ETIMEDOUT', ''));
    if (signal?.aborted) onAbort();
    signal?.addEventListener('abort', onAbort, { once: true });
    socket.on('connect', () => {
      connected = true;
      socket.write(JSON.stringify({ id: 0, method, params: args }));
    });
    socket.on('data', (bytes) => {
      try {
        for (const text of stream.push(bytes)) {
          const reply = parseReply(text);
          if (reply) resolve(reply);
          if (reply) socket.destroy();
        }
      } catch (error) {
        const what = error instanceof SyntaxError ? 'malformed JSON' : messageOf(error);
        socket.destroy(new HeddleError(what));
      }
    });
    socket.on('error', (error) => {
      const code = errnoOf(error);
      reject(connected || error instanceof HeddleError ? error : new ConnectError(code, ''));
    });
    socket.on('close', () => {
      signal?.removeEventListener('abort', onAbort);
      reject(new SystemError('EOF', ''));
    });
  });
}

/** undefined for a reply to somebody else or a notification. */
function parseReply(text: string): UnixctlReply | undefined {
  const { id, result = null, error = null } = JSON.parse(text) as Record<string, unknown>;
  if (id !== 0) return undefined;
  for (const [name, value] of Object.entries({ error, result })) {
    if (value !== null && typeof value !== 'string') {
      throw new HeddleError(`unexpected ${name} type in JSON rpc reply: ${jsonType(value)}`);
    }
  }
  return { result: result as string | null, error: error as string | null };
}

function jsonType(value: unknown): string {
  return Array.isArray(value) ? 'array' : typeof value;
}
