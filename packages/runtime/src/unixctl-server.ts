/** The control socket of a daemon (ovs-appctl(8)): JSON-RPC requests with positional strings. */
import { rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { type CoverageCounter, coverage } from './coverage.ts';
import { DirectWriter } from './direct-sockets.ts';
import { errnoOf, HeddleError, messageOf, strerror } from './errors.ts';
import { removeAtExit } from './exit-files.ts';
import { listenUnix } from './remote.ts';
import {
  type UnixctlCommands,
  UnixctlError,
  type UnixctlHandler,
  type UnixctlResult,
} from './unixctl-command.ts';
import { drained, UnixctlConnection } from './unixctl-connection.ts';
import { versionText } from './version.ts';
import { vlog } from './vlog.ts';
import { registerVlog } from './vlog-unixctl.ts';

export { UnixctlError } from './unixctl-command.ts';

const log = vlog.module('unixctl');

interface Command {
  usage: string | undefined;
  min: number;
  max: number;
  handler: UnixctlHandler;
}

interface Client {
  readonly socket: Socket;
  readonly writer: DirectWriter;
}

interface Request {
  method: string;
  params: string[];
  id: unknown;
}

/** Has list-commands, version, vlog/* and coverage/* from the start. */
export class UnixctlServer implements UnixctlCommands {
  readonly program: string;
  readonly #commands = new Map<string, Command>();
  readonly #sockets = new Set<Socket>();
  readonly #received: CoverageCounter;
  readonly #replied: CoverageCounter;
  #server: Server | undefined;
  #path: string | undefined;

  /** `counter`: of which requests and replies are counted; coverage's own by default. */
  constructor(program: string, counter = (name: string) => coverage.counter(name)) {
    this.program = program;
    this.#received = counter('unixctl_received');
    this.#replied = counter('unixctl_replied');
    this.register('list-commands', '', 0, 0, () => this.#list());
    this.register('version', '', 0, 0, () => `${versionText(program)}\n`);
    registerVlog(this);
    coverage.register(this);
  }

  get path(): string | undefined {
    return this.#path;
  }

  register(
    name: string,
    usage: string | undefined,
    min: number,
    max: number,
    handler: UnixctlHandler,
  ): void {
    this.#commands.set(name, { usage, min, max, handler });
  }

  /**
   * The command `exit`: after `clean` the client gets its reply, then the process ends with status
   * 0. `clean` must leave this server open.
   */
  registerExit(
    usage: string,
    maxArgs: number,
    clean: (args: readonly string[]) => void | Promise<void>,
    finish: () => void = () => process.exit(0),
  ): void {
    this.register('exit', usage, 0, maxArgs, async (args) => {
      await clean(args);
      // The reply is written in this turn of the event loop, before timers.
      setTimeout(finish, 0);
      return '';
    });
  }

  /** Runs a command as if it came over the socket; throws UnixctlError. */
  async call(name: string, args: readonly string[]): Promise<string> {
    const result = await this.#call(name, args);
    if (typeof result === 'string') return result;
    let text = '';
    for await (const piece of result) text += piece;
    return text;
  }

  #call(name: string, args: readonly string[]): UnixctlResult | Promise<UnixctlResult> {
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
    return command.handler(args);
  }

  /** Listens on `path` with mode 0660; `none` means not at all. */
  async listen(path: string): Promise<void> {
    if (path === 'none') return;
    // Clients may shut their side down before they read the reply.
    const server = createServer({ allowHalfOpen: true }, (socket) => this.serve(socket));
    try {
      await listenUnix(server, path);
    } catch (error) {
      const why = strerror(errnoOf(error));
      log.err(`${path}: binding failed: ${why}`);
      throw new HeddleError(`${path}: could not initialize control socket (${why})`);
    }
    this.#server = server;
    this.#path = path;
    removeAtExit(path);
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
      .filter(([, { usage }]) => usage !== undefined)
      .sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
      .map(([name, { usage }]) => `  ${name.padEnd(23)} ${usage}\n`);
    return `The available commands are:\n${lines.join('')}`;
  }

  /** A client that has connected. */
  serve(socket: Socket): void {
    this.#sockets.add(socket);
    const client = { socket, writer: new DirectWriter(socket) };
    new UnixctlConnection(socket, {
      answer: (text) => this.#answer(client, parseRequest(text)),
      failed: (error) => log.rl.warn(`${this.#path}: ${messageOf(error)}`),
      closed: () => this.#sockets.delete(socket),
    });
  }

  /** A promise when the reply takes time. */
  #answer(client: Client, { method, params, id }: Request): Promise<void> | undefined {
    this.#received.add();
    if (log.enabled('dbg')) log.dbg(`received request ${method}${JSON.stringify(params)}`);
    let result: UnixctlResult | Promise<UnixctlResult>;
    try {
      result = this.#call(method, params);
    } catch (error) {
      return this.#reply(client, id, null, refusal(method, error));
    }
    if (typeof result === 'string') return this.#reply(client, id, ended(result), null);
    return this.#answerLater(client, method, id, result);
  }

  async #answerLater(
    client: Client,
    method: string,
    id: unknown,
    coming: UnixctlResult | Promise<UnixctlResult>,
  ): Promise<void> {
    try {
      const result = await coming;
      if (typeof result !== 'string') await this.#stream(client, id, result);
      else await this.#reply(client, id, ended(result), null);
    } catch (error) {
      await this.#reply(client, id, null, refusal(method, error));
    }
  }

  /** A promise when the client has to read first. */
  #reply(
    { socket, writer }: Client,
    id: unknown,
    result: string | null,
    error: string | null,
  ): Promise<void> | undefined {
    this.#replied.add();
    if (socket.destroyed) return undefined;
    return writer.write(JSON.stringify({ error, id, result })) ? undefined : drained(socket);
  }

  /** A reply of many pieces; what fails before the first one is an error like any other. */
  async #stream(
    { socket, writer }: Client,
    id: unknown,
    pieces: AsyncIterable<string>,
  ): Promise<void> {
    let begun = false;
    const write = async (text: string): Promise<void> => {
      if (!writer.write(text)) await drained(socket);
    };
    const begin = `{"error":null,"id":${JSON.stringify(id)},"result":"`;
    try {
      for await (const piece of pieces) {
        if (socket.destroyed) return;
        await write(begun ? quoted(piece) : begin + quoted(piece));
        begun = true;
      }
      if (socket.destroyed) return;
      await write(begun ? '"}' : `${begin}"}`);
      this.#replied.add();
    } catch (error) {
      if (!begun) throw error;
      log.err(`reply broken off: ${messageOf(error)}`);
      socket.destroy();
    }
  }
}

/** The error of a reply: why a command gave no result. */
function refusal(method: string, error: unknown): string {
  if (!(error instanceof HeddleError)) {
    log.err(`${method}: ${String((error as Error)?.stack ?? error)}`);
  }
  return ended(messageOf(error));
}

/** What is said ends with its line. */
function ended(text: string): string {
  return text === '' || text.endsWith('\n') ? text : `${text}\n`;
}

/** JSON of a text, without its quotation marks. */
function quoted(text: string): string {
  return JSON.stringify(text).slice(1, -1);
}

/** Throws on what is no request: the connection is of no more use then. */
function parseRequest(text: string): Request {
  const request: unknown = parseJson(text);
  if (request === null || typeof request !== 'object' || Array.isArray(request)) {
    throw new HeddleError('message is not a JSON object');
  }
  const { method, params, id } = request as Record<string, unknown>;
  if (typeof method !== 'string') throw new HeddleError('request has no method');
  if (id === undefined || id === null) throw new HeddleError('request has no id');
  if (!Array.isArray(params)) throw new HeddleError('request has no params');
  return { method, params: params.map(argument), id };
}

function argument(value: unknown): string {
  if (typeof value !== 'string') throw new HeddleError('command has a non-string argument');
  return value;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new HeddleError(`malformed JSON: ${messageOf(error)}`);
  }
}
