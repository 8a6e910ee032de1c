import { connect } from 'node:net';
import { HeddleError, SystemError } from './errors.ts';
import { JsonStream } from './json-stream.ts';

export interface UnixctlReply {
  result: string | null;
  error: string | null;
}

/** Sends one command to the control socket at `path` and waits for its reply. */
export function unixctlCall(
  path: string,
  method: string,
  args: readonly string[],
  signal?: AbortSignal,
): Promise<UnixctlReply> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    const stream = new JsonStream();
    const onAbort = () => socket.destroy(new SystemError('ETIMEDOUT', 'no reply'));
    signal?.addEventListener('abort', onAbort, { once: true });
    const finish = () => signal?.removeEventListener('abort', onAbort);
    socket.on('connect', () => {
      socket.write(JSON.stringify({ method, params: args, id: 0 }));
    });
    socket.on('data', (bytes) => {
      try {
        for (const text of stream.push(bytes)) {
          const { result, error } = JSON.parse(text) as UnixctlReply;
          finish();
          resolve({ result: result ?? null, error: error ?? null });
          socket.end();
        }
      } catch (error) {
        socket.destroy(error as Error);
      }
    });
    socket.on('error', (error) => {
      finish();
      reject(error);
    });
    socket.on('close', () => {
      finish();
      reject(new HeddleError('connection closed before the reply'));
    });
  });
}
