/** A relay before an OVSDB server, for tests: cuts connections, stays silent, plays an older server. */
import { connect, createServer, type Server, type Socket } from 'node:net';
import { JsonStream } from '@heddle/runtime/json-stream';
import { isObject, type Json, parseJson, printJson } from '../notation/index.ts';

export interface ProxyRules {
  /** Requests that are answered with `unknown method`. */
  refuse?: readonly string[];
  /** Called for each message of the client; returns whether to pass it on. */
  onRequest?(message: { readonly [key: string]: Json }): boolean;
  /** The same for the server's. */
  onReply?(message: { readonly [key: string]: Json }): boolean;
}

export class TestProxy {
  rules: ProxyRules = {};
  /** Methods of all requests that clients sent. */
  readonly methods: string[] = [];
  readonly #server: Server;
  readonly #pairs = new Set<[Socket, Socket]>();

  constructor(path: string, upstream: string) {
    this.#server = createServer((client) => {
      const server = connect(upstream);
      const pair: [Socket, Socket] = [client, server];
      this.#pairs.add(pair);
      const end = () => {
        this.#pairs.delete(pair);
        client.destroy();
        server.destroy();
      };
      for (const socket of pair) socket.on('error', end).on('close', end);
      relay(client, (message) => this.#request(message, client, server));
      relay(server, (message) => {
        if (this.rules.onReply?.(message) ?? true) client.write(printJson(message));
      });
    }).listen(path);
  }

  /** Breaks all connections. */
  cut(): void {
    for (const pair of this.#pairs) for (const socket of pair) socket.destroy();
  }

  close(): void {
    this.cut();
    this.#server.close();
  }

  #request(message: { readonly [key: string]: Json }, client: Socket, server: Socket): void {
    const method = String(message['method']);
    if ('method' in message) this.methods.push(method);
    if (this.rules.refuse?.includes(method)) {
      const error = { error: 'unknown method' };
      client.write(printJson({ id: message['id'] ?? null, result: null, error }));
    } else if (this.rules.onRequest?.(message) ?? true) server.write(printJson(message));
  }
}

function relay(from: Socket, take: (message: { readonly [key: string]: Json }) => void): void {
  const stream = new JsonStream();
  from.on('data', (bytes) => {
    for (const text of stream.push(bytes)) {
      const message = parseJson(text);
      if (isObject(message)) take(message);
    }
  });
}
