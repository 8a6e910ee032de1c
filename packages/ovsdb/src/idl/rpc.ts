/** A JSON-RPC connection to an OVSDB server: requests, replies, notifications. */
import type { Socket } from 'node:net';
import { HeddleError, messageOf, SystemError } from '@heddle/runtime/errors';
import { JsonStream } from '@heddle/runtime/json-stream';
import { connectRemote, listenRemote, type TlsFiles } from '@heddle/runtime/remote';
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

export interface RpcHandlers {
  notified?(method: string, params: readonly Json[]): void;
  /** Called once, when an open connection ends; `error` when it was not a plain close. */
  closed?(error: Error | undefined): void;
  tls?: TlsFiles | undefined;
  /** A peer that is silent for so long is asked for an echo, and given up if it stays silent. */
  probeIntervalMs?: number;
  /** Default: as long as the system tries. */
  connectTimeoutMs?: number;
  signal?: AbortSignal;
}

/** What is left of a message that the peer never ends. */
const MAX_MESSAGE_BYTES = 1024 * 1024 * 1024;

export class RpcConnection {
  readonly #socket: Socket;
  readonly #waiting = new Map<string, Waiting>();
  readonly #handlers: RpcHandlers;
  #probe: NodeJS.Timeout | undefined;
  #probing = false;
  #nextId = 0;
  #open = true;
  #failure: Error | undefined;

  private constructor(socket: Socket, handlers: RpcHandlers) {
    this.#socket = socket;
    this.#handlers = handlers;
    const stream = new JsonStream(MAX_MESSAGE_BYTES);
    socket.on('data', (bytes) => {
      this.#alive();
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
    this.#alive();
  }

  /**
   * Connects to one remote, or waits for the first client of a passive one; rejects with what the
   * system answers.
   */
  static async open(remote: string, handlers: RpcHandlers = {}): Promise<RpcConnection> {
    const socket = /^p(unix|tcp|ssl):/.test(remote)
      ? await acceptOne(remote, handlers)
      : await connectOne(remote, handlers);
    return new RpcConnection(socket, handlers);
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
      } else this.#handlers.notified?.(method, isArray(params) ? params : []);
      return;
    }
    const waiting = this.#waiting.get(printSortedJson(id ?? null));
    if (!waiting) return;
    this.#waiting.delete(printSortedJson(id ?? null));
    const { error, result } = message;
    if (error !== null && error !== undefined) waiting.reject(new RpcError(error));
    else waiting.resolve(result ?? null);
  }

  /** Something came: the peer lives, and has another interval. */
  #alive(): void {
    const { probeIntervalMs = 0 } = this.#handlers;
    clearTimeout(this.#probe);
    this.#probing = false;
    if (probeIntervalMs > 0)
      this.#probe = setTimeout(() => this.#idle(probeIntervalMs), probeIntervalMs).unref();
  }

  #idle(probeIntervalMs: number): void {
    if (this.#probing) {
      this.#socket.destroy(new HeddleError('no response to inactivity probe'));
      return;
    }
    this.#probing = true;
    this.#socket.write(printJson({ method: 'echo', params: [], id: 'echo' }));
    this.#probe = setTimeout(() => this.#idle(probeIntervalMs), probeIntervalMs).unref();
  }

  #close(): void {
    if (!this.#open) return;
    this.#open = false;
    clearTimeout(this.#probe);
    const why = this.#failure;
    const error = new HeddleError(why ? `connection lost: ${messageOf(why)}` : 'connection closed');
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
    this.#handlers.closed?.(why);
  }
}

function connectOne(
  remote: string,
  { tls, connectTimeoutMs, signal }: RpcHandlers,
): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connectRemote(remote, tls);
    const timer =
      connectTimeoutMs === undefined
        ? undefined
        : setTimeout(() => socket.destroy(new SystemError('ETIMEDOUT', '')), connectTimeoutMs);
    const aborted = () => socket.destroy(new HeddleError('given up'));
    signal?.addEventListener('abort', aborted, { once: true });
    const settled = () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', aborted);
      socket.off('error', failed);
    };
    const failed = (error: Error) => {
      settled();
      reject(error);
    };
    socket.once('error', failed);
    socket.once(remote.startsWith('ssl:') ? 'secureConnect' : 'connect', () => {
      // A connection that only brought a CA certificate has its error yet to come.
      if (socket.destroyed) return;
      settled();
      // Until the connection has its own listener.
      socket.once('error', () => {});
      resolve(socket);
    });
  });
}

function acceptOne(remote: string, { tls, signal }: RpcHandlers): Promise<Socket> {
  return new Promise((resolve, reject) => {
    let taken = false;
    const accept = (socket: Socket) => {
      if (taken) return void socket.destroy();
      taken = true;
      resolve(socket);
      void listening.then((server) => server.close());
    };
    const listening = listenRemote(remote, accept, tls);
    listening.catch(reject);
    const aborted = () => {
      taken = true;
      reject(new HeddleError('given up'));
      listening.then((server) => server.close()).catch(() => {});
    };
    signal?.addEventListener('abort', aborted, { once: true });
  });
}
