/** The control socket of a daemon (ovs-appctl(8)): JSON-RPC requests with positional strings. */
import { chmodSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { HeddleError, messageOf } from './errors.ts';
import { JsonStream } from './json-stream.ts';
import { versionText } from './version.ts';
import { vlog } from './vlog.ts';

const log = vlog.module('unixctl');
const MAX_REQUEST_BYTES = 1 << 20;

/** A command's refusal: its text reaches the client as the error of the reply. */
export class UnixctlError extends HeddleError {
  override name = 'UnixctlError';
}

export type UnixctlHandler = (args: readonly string[]) => string | Promise<string>;

interface Command {
  usage: string;
  min: number;
  max: number;
  handler: UnixctlHandler;
}

export class UnixctlServer {
  readonly program: string;
  readonly #commands = new Map<string, Command>();
  readonly #sockets = new Set<Socket>();
  #server: Server | undefined;
  #path: string | undefined;

  constructor(program: string) {
    this.program = program;
    this.register('list-commands', '', 0, 0, () => this.#list());
    this.register('version', '', 0, 0, () => `${versionText(program)}\n`);
    this.register('vlog/list', '', 0, 0, () => vlog.list());
    this.register('vlog/list-pattern', '', 0, 0, () => vlog.listPatterns());
    this.register('vlog/set', '{spec | PATTERN:destination:pattern}', 1, 100, (specs) => {
      for (const spec of specs) {
        const wrong = vlog.apply(spec);
        if (wrong !== undefined) throw new UnixctlError(wrong);
      }
      return '';
    });
    this.register('vlog/reopen', '', 0, 0, () => {
      if (vlog.file === undefined) throw new UnixctlError('Logging to file not configured');
      vlog.openFile();
      return '';
    });
    this.register('vlog/close', '', 0, 0, () => {
      vlog.closeFile();
      return '';
    });
  }

  get path(): string | undefined {
    return this.#path;
  }

  /** `max` may be Infinity. A later registration of the same name replaces the earlier. */
  register(name: string, usage: string, min: number, max: number, handler: UnixctlHandler): void {
    this.#commands.set(name, { usage, min, max, handler });
  }

  /** Runs a command as if it came over the socket; throws UnixctlError. */
  async call(name: string, args: readonly string[]): Promise<string> {
    const command = this.#commands.get(name);
    if (!command)
      throw new UnixctlError(
        `"${name}" is not a valid command (use "list-commands" to see a list of valid commands)`,
      );
    if (args.length < command.min) {
      throw new UnixctlError(`"${name}" command requires at least ${command.min} arguments`);
    }
    if (args.length > command.max) {
      throw new UnixctlError(`"${name}" command takes at most ${command.max} arguments`);
    }
    return await command.handler(args);
  }

  /** Listens on `path` with mode 0660 (the directory guards it until then). */
  async listen(path: string): Promise<void> {
    rmSync(path, { force: true });
    const server = createServer((socket) => this.#accept(socket));
    this.#server = server;
    this.#path = path;
    const mask = process.umask(0o117);
    try {
      await new Promise<void>((resolve, reject) => {
        server.once('error', reject);
        server.listen(path, resolve);
      });
    } finally {
      process.umask(mask);
    }
    chmodSync(path, 0o660);
  }

  close(): void {
    this.#server?.close();
    for (const socket of this.#sockets) socket.destroy();
    if (this.#path !== undefined) rmSync(this.#path, { force: true });
    this.#server = undefined;
    this.#path = undefined;
  }

  #list(): string {
    const lines = [...this.#commands]
      .sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
      .map(([name, { usage }]) => `  ${name.padEnd(23)} ${usage}`.trimEnd());
    return `The available commands are:\n${lines.join('\n')}\n`;
  }

  #accept(socket: Socket): void {
    this.#sockets.add(socket);
    const stream = new JsonStream(MAX_REQUEST_BYTES);
    let queue = Promise.resolve();
    socket.on('close', () => this.#sockets.delete(socket));
    socket.on('error', (error) => log.rl.dbg(`connection: ${error.message}`));
    socket.on('data', (bytes) => {
      try {
        for (const text of stream.push(bytes)) queue = queue.then(() => this.#serve(socket, text));
      } catch (error) {
        log.rl.warn(`bad request: ${messageOf(error)}`);
        socket.destroy();
      }
    });
  }

  async #serve(socket: Socket, text: string): Promise<void> {
    let request: { method: string; params: string[]; id: unknown };
    try {
      request = parseRequest(text);
    } catch (error) {
      log.rl.warn(`bad request: ${messageOf(error)}`);
      socket.destroy();
      return;
    }
    let result: string | null = null;
    let failure: string | null = null;
    try {
      result = await this.call(request.method, request.params);
    } catch (error) {
      if (!(error instanceof HeddleError))
        log.err(`${request.method}: ${String((error as Error)?.stack ?? error)}`);
      failure = messageOf(error);
      if (failure !== '' && !failure.endsWith('\n')) failure += '\n';
    }
    if (!socket.destroyed) {
      socket.write(JSON.stringify({ id: request.id, result, error: failure }));
    }
  }
}

function parseRequest(text: string): { method: string; params: string[]; id: unknown } {
  const request: unknown = JSON.parse(text);
  if (request === null || typeof request !== 'object') throw new HeddleError('not an object');
  const { method, params, id } = request as Record<string, unknown>;
  if (typeof method !== 'string') throw new HeddleError('no method');
  if (!Array.isArray(params) || !params.every((p) => typeof p === 'string')) {
    throw new HeddleError('params are not strings');
  }
  return { method, params, id };
}
