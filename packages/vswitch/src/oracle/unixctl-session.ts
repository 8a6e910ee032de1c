/** Many commands over one connection to a control socket, the next ones sent ahead of replies. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { JsonStream } from '@heddle/runtime';

interface Waiting {
  readonly resolve: (reply: string) => void;
  readonly reject: (error: Error) => void;
}

const MAX_REPLY_BYTES = 1 << 30;

export class UnixctlSession implements Disposable {
  readonly #socket: Socket;
  readonly #waiting: Waiting[] = [];
  #failure: Error | undefined;

  private constructor(socket: Socket) {
    this.#socket = socket;
    const stream = new JsonStream(MAX_REPLY_BYTES);
    socket.on('data', (bytes) => {
      for (const text of stream.push(bytes)) this.#take(text);
    });
    socket.on('error', (error) => this.#fail(error));
    socket.on('close', () => this.#fail(new Error('the control connection has ended')));
  }

  static async open(path: string): Promise<UnixctlSession> {
    const socket = connect(path);
    await once(socket, 'connect');
    return new UnixctlSession(socket);
  }

  /** The reply, or the text of the refusal. Replies come in the order of the commands. */
  call(method: string, params: readonly string[]): Promise<string> {
    return new Promise((resolve, reject) => {
      if (this.#failure) {
        reject(this.#failure);
        return;
      }
      this.#waiting.push({ resolve, reject });
      this.#socket.write(JSON.stringify({ id: 0, method, params }));
    });
  }

  [Symbol.dispose](): void {
    this.#socket.destroy();
  }

  #take(text: string): void {
    const { result, error } = JSON.parse(text) as { result?: string; error?: string };
    this.#waiting.shift()?.resolve(result ?? error ?? '');
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    for (const { reject } of this.#waiting.splice(0)) reject(this.#failure);
  }
}
