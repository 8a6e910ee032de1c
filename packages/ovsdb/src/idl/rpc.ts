/** A JSON-RPC connection to an OVSDB server: requests, replies, notifications. */
import type { Socket } from 'node:net';
import { connectRemote, HeddleError, JsonStream, messageOf, type TlsFiles } from '@heddle/runtime';
import {
  isArray,
  isObject,
  type Json,
  parseJson,
  printJson,
  printSortedJson,
} from '../notation/index.ts';

/** The server's refusal of a request; `reply` is the error object as it came. */
export class RpcError extends HeddleError {
  override name = 'RpcError';
  readonly reply: Json;

  constructor(reply: Json) {
    super(errorText(reply));
    this.reply = reply;
  }

  /** RFC 7047's string, as `unknown method`. */
  get error(): string | undefined {
    if (typeof this.reply === 'string') return this.reply;
    return isObject(this.reply) ? String(this.reply['error']) : undefined;
  }
}

function errorText(reply: Json): string {
  if (!isObject(reply)) return printJson(reply);
  const { error, details } = reply;
  return details === undefined ? String(error) : `${String(error)}: ${String(details)}`;
}

interface Waiting {
  resolve(result: Json): void;
  reject(error: Error): void;
}

export class RpcConnection {
  readonly #socket: Socket;
  readonly #waiting = new Map<string, Waiting>();
  readonly #notified: (method: string, params: readonly Json[]) => void;
  readonly #closed: (error: Error | undefined) => void;
  #nextId = 0;
  #open = true;
  #failure: Error | undefined;

  private constructor(
    socket: Socket,
    notified: (method: string, params: readonly Json[]) => void,
    closed: (error: Error | undefined) => void,
  ) {
    this.#socket = socket;
    this.#notified = notified;
    this.#closed = closed;
    const stream = new JsonStream(1024 * 1024 * 1024);
    socket.on('data', (bytes) => {
      try {
        for (const text of stream.push(bytes)) this.#message(parseJson(text));
      } catch (error) {
        socket.destroy(error as Error);
      }
    });
    socket.on('error', (error) => {
      this.#failure = error;
    });
    socket.on('close', () => this.#close());
  }

  /** Connects to one remote; rejects with what the system answers. */
  static open(
    remote: string,
    handlers: {
      notified?: (method: string, params: readonly Json[]) => void;
      closed?: (error: Error | undefined) => void;
      tls?: TlsFiles | undefined;
    } = {},
  ): Promise<RpcConnection> {
    return new Promise((resolve, reject) => {
      const socket = connectRemote(remote, handlers.tls);
      socket.once('error', reject);
      socket.once('connect', () => {
        socket.off('error', reject);
        resolve(
          new RpcConnection(socket, handlers.notified ?? (() => {}), handlers.closed ?? (() => {})),
        );
      });
    });
  }

  get isOpen(): boolean {
    return this.#open;
  }

  /** Whether the connection keeps the process running. */
  keepAlive(keep: boolean): void {
    if (keep) this.#socket.ref();
    else this.#socket.unref();
  }

  request(method: string, params: Json): Promise<Json> {
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      if (!this.#open) {
        reject(new HeddleError('connection closed'));
        return;
      }
      this.#waiting.set(String(id), { resolve, reject });
      this.#socket.write(printJson({ method, params, id }));
    });
  }

  notify(method: string, params: Json): void {
    if (this.#open) this.#socket.write(printJson({ method, params, id: null }));
  }

  close(): void {
    this.#socket.destroy();
  }

  #message(message: Json): void {
    if (!isObject(message)) throw new HeddleError('server sent something that is no object');
    const { method, params, id } = message;
    if (typeof method === 'string') {
      if (method === 'echo' && id !== null) {
        this.#socket.write(printJson({ id: id ?? null, result: params ?? [], error: null }));
      } else this.#notified(method, isArray(params) ? params : []);
      return;
    }
    const waiting = this.#waiting.get(printSortedJson(id ?? null));
    if (!waiting) return;
    this.#waiting.delete(printSortedJson(id ?? null));
    const { error, result } = message;
    if (error !== null && error !== undefined) waiting.reject(new RpcError(error));
    else waiting.resolve(result ?? null);
  }

  #close(): void {
    if (!this.#open) return;
    this.#open = false;
    const why = this.#failure;
    const error = new HeddleError(why ? `connection lost: ${messageOf(why)}` : 'connection closed');
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
    this.#closed(why);
  }
}
