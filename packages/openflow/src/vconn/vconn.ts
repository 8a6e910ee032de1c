/** An OpenFlow connection: frames, and the version that both ends speak (OpenFlow 1.3.5 section 6.3.1). */
import type { Socket } from 'node:net';
import { performance } from 'node:perf_hooks';
import {
  connectRemote,
  DirectWriter,
  FrequentSocket,
  HeddleError,
  strerror,
  type TlsFiles,
  vlog,
} from '@heddle/runtime';
import type { OfpVersion } from '../constants.ts';
import { OfpError } from '../errors.ts';
import { Match } from '../match.ts';
import type { OfpMessage } from '../messages.ts';
import { type DecodeContext, decodeMessage, encodeMultipart } from '../msgs/index.ts';
import { formatBytes } from '../print/format-message.ts';
import { Framer, HEADER_BYTES } from './framer.ts';
import { supportedText } from './versions.ts';

const log = vlog.module('vconn');
/** How many messages of all connections the log tells of in a minute. */
const LOGGED_MESSAGES = 600;

export const OFP_PORT = 6653;
const OFPET_HELLO_FAILED = 0;
const OFPHFC_INCOMPATIBLE = 0;
/** Others have their turn when a peer's messages have taken so long. */
const TURN_MS = 20;
const FEW = 8;
/** Replies that are sent as one. */
const FEW_BYTES = 20_000;
/** What comes in so small pieces is asked for one by one. */
const SMALL_BYTES = 4096;
/** Hellos, errors and echos may be of any version. */
const OFPT_ECHO_REPLY = 3;

export interface VconnEvents {
  /** The peer speaks a version that we do. */
  open(version: OfpVersion): void;
  message(msg: OfpMessage, raw: Uint8Array): void;
  /** Where it is there, gets all messages of the version agreed on instead, to decode or not. */
  undecoded?(raw: Uint8Array): void;
  /** May take a message of the version agreed on, `length` bytes at `at`, as it is: true when it has. */
  take?(bytes: Uint8Array, at: number, length: number): boolean;
  /** A message that makes no sense; the connection goes on. */
  bad(error: OfpError, raw: Uint8Array): void;
  /** Once, at the end; `why` is undefined when the peer closed in good order. */
  close(why: string | undefined): void;
}

export interface VconnOptions {
  /** Bit v: version v may be spoken. */
  readonly versions: number;
  readonly name: string;
  /** Of our hello; 1 when absent. */
  readonly helloXid?: number;
  /** The match of a flow mod is good until the next message. */
  readonly recyclesMatches?: boolean;
  /** Tunnel options that flow mods may name; undefined: all. */
  readonly tlv?: DecodeContext['tlv'];
  /** A peer that lets more than this pile up, in bytes, is not listened to until it reads. */
  readonly readLimit?: number;
  /** All parts of the message that say something, when `raw` is the last one or the only one; undefined: later. */
  readonly gather?: (raw: Uint8Array) => readonly Uint8Array[] | undefined;
  /** Sees every message in both directions (`snoop`). */
  readonly tap?: (raw: Uint8Array, isSent: boolean) => void;
}

export class Vconn {
  readonly name: string;
  readonly #socket: Socket;
  readonly #events: VconnEvents;
  readonly #options: VconnOptions;
  readonly #framer = new Framer();
  readonly #writer: DirectWriter;
  readonly #frequent: FrequentSocket;
  #unsent: Uint8Array[] = [];
  #unsentBytes = 0;
  #sentBytes = 0;
  #version: OfpVersion | undefined;
  #closed = false;
  #holds = 0;
  #pause: (() => void) | undefined;
  #isDelivering = false;
  /** The peer's flow mods name tables once it has said so (NXT_FLOW_MOD_TABLE_ID). */
  #context: DecodeContext;

  constructor(socket: Socket, options: VconnOptions, events: VconnEvents) {
    this.name = options.name;
    this.#socket = socket;
    this.#writer = new DirectWriter(socket);
    this.#frequent = new FrequentSocket(socket, (data) => this.#receive(bytesOf(data)));
    this.#options = options;
    this.#events = events;
    this.#context = {
      hasTableId: false,
      tlv: options.tlv,
      ...(options.recyclesMatches === true && { into: new Match() }),
    };
    socket.on('data', (chunk: Uint8Array) => this.#receive(chunk));
    socket.on('error', (error) => this.#end(reason(error)));
    socket.on('close', () => this.#end(undefined));
    if (socket.connecting) socket.once('connect', () => this.#hello());
    else this.#hello();
  }

  /** Connects `tcp:HOST[:PORT]`, `ssl:…` or `unix:FILE`. */
  static connect(
    remote: string,
    options: VconnOptions,
    events: VconnEvents,
    tls?: TlsFiles,
  ): Vconn {
    return new Vconn(connectRemote(remote, tls, OFP_PORT), options, events);
  }

  /** In the log, where all bridges' are; a bridge's service connection is `br0<->unix#3`. */
  get #peer(): string {
    return this.name.replace(/^.*<->/, '');
  }

  /** One message, or several that go at once. */
  #logMessages(what: string, bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; ) {
      const length = Math.max((bytes[at + 2]! << 8) | bytes[at + 3]!, HEADER_BYTES);
      const text = formatBytes(bytes.subarray(at, at + length), 1).trimEnd();
      log.limited('dbg', `${this.#peer}: ${what}: ${text}`, 'messages', LOGGED_MESSAGES);
      at += length;
    }
  }

  /** Throws before `open`. */
  get version(): OfpVersion {
    if (this.#version === undefined) throw new HeddleError(`${this.name}: not connected yet`);
    return this.#version;
  }

  get isOpen(): boolean {
    return this.#version !== undefined && !this.#closed;
  }

  /** Bytes that the peer has not taken yet. */
  get backlog(): number {
    return this.#socket.writableLength + this.#unsentBytes;
  }

  /** Bytes that were ever sent, whether the peer has taken them or not. */
  get sentBytes(): number {
    return this.#sentBytes;
  }

  /** When the peer has taken what was sent, or is gone. */
  async drained(): Promise<void> {
    const socket = this.#socket;
    if (this.#closed || !socket.writableNeedDrain) return;
    await new Promise<void>((resolve) => {
      const done = (): void => {
        socket.off('drain', done);
        socket.off('close', done);
        resolve();
      };
      socket.on('drain', done);
      socket.on('close', done);
    });
  }

  send(msg: OfpMessage): void {
    for (const bytes of encodeMultipart(msg)) this.sendRaw(bytes);
  }

  sendRaw(bytes: Uint8Array): void {
    if (this.#closed) return;
    this.#options.tap?.(bytes, true);
    if (log.enabled('dbg')) this.#logMessages('sent (Success)', bytes);
    this.#sentBytes += bytes.length;
    if (!this.#isDelivering) {
      this.#writer.write(bytes);
      return;
    }
    this.#unsent.push(bytes);
    this.#unsentBytes += bytes.length;
  }

  #flush(): void {
    const unsent = this.#unsent;
    if (unsent.length === 0) return;
    const bytes = this.#unsentBytes;
    this.#unsent = [];
    this.#unsentBytes = 0;
    if (this.#socket.destroyed) return;
    if (unsent.length === 1) this.#writer.write(unsent[0]!);
    else if (bytes <= FEW_BYTES) this.#writer.write(Buffer.concat(unsent, bytes));
    else this.#writeAll(unsent);
  }

  #writeAll(messages: readonly Uint8Array[]): void {
    this.#socket.cork();
    for (const bytes of messages) this.#socket.write(bytes);
    this.#socket.uncork();
  }

  close(): void {
    if (this.#closed) return;
    this.#flush();
    this.#closed = true;
    this.#frequent.rest();
    this.#socket.end();
    this.#socket.destroySoon();
  }

  /** Nothing is read or told of until `resume`. */
  pause(): void {
    this.#pause ??= this.hold();
  }

  resume(): void {
    this.#pause?.();
    this.#pause = undefined;
  }

  /** As `pause`, until all who hold it have called what this returns. */
  hold(): () => void {
    this.#holds++;
    this.#frequent.rest();
    this.#socket.pause();
    let isHeld = true;
    return () => {
      if (!isHeld) return;
      isHeld = false;
      if (--this.#holds > 0 || this.#closed) return;
      this.#socket.resume();
      this.#deliver();
    };
  }

  #hello(): void {
    const { versions, helloXid: xid = 1 } = this.#options;
    const highest = (31 - Math.clz32(versions)) as OfpVersion;
    this.sendRaw(encodeMultipart({ type: 'hello', version: highest, xid, versions })[0]!);
  }

  #end(why: string | undefined): void {
    if (this.#closed) {
      this.#socket.destroy();
      return;
    }
    // What came before the end counts, though nobody listened just then.
    if (why === undefined) {
      this.#holds = Number.NEGATIVE_INFINITY;
      this.#deliver();
    }
    if (this.#closed) return;
    this.#closed = true;
    this.#frequent.rest();
    this.#socket.destroy();
    const isCut = why === undefined && this.#framer.pending > 0;
    this.#events.close(isCut ? 'Protocol error' : why);
  }

  #receive(chunk: Uint8Array): void {
    this.#framer.add(chunk);
    this.#deliver();
    if (chunk.length > SMALL_BYTES || this.#closed || this.#holds > 0) return;
    this.#frequent.asked(this.#framer.pending === 0);
  }

  #deliver(): void {
    if (this.#isDelivering) return;
    // Replies to all that came at once go at once.
    this.#isDelivering = true;
    try {
      const end = performance.now() + TURN_MS;
      for (let n = 1; !this.#closed && this.#holds <= 0; n++) {
        // The time is asked for now and then: to ask takes as long as a small message.
        if (n % FEW === 0 && performance.now() > end && this.#holds === 0) {
          setImmediate(this.hold());
          return;
        }
        const length = this.#framer.find();
        if (length === 0) return;
        const { tap } = this.#options;
        if (log.enabled('dbg')) {
          const { bytes, at } = this.#framer;
          this.#logMessages('received', bytes.subarray(at, at + length));
        }
        if (tap === undefined && this.#takes(this.#framer.bytes, this.#framer.at, length)) {
          this.#framer.skip(length);
        } else {
          const raw = this.#framer.next()!;
          tap?.(raw, false);
          if (this.#version === undefined) this.#negotiate(raw);
          else if (tap === undefined || !this.#takes(raw, 0, length)) this.#message(raw);
        }
        this.#listenWhenRead();
      }
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      log.rl.err(`${this.#peer}: ${error.message}`);
      this.#end('Protocol error');
    } finally {
      this.#isDelivering = false;
      this.#flush();
    }
  }

  #takes(bytes: Uint8Array, at: number, length: number): boolean {
    const { take } = this.#events;
    return take !== undefined && bytes[at] === this.#version && take(bytes, at, length);
  }

  #listenWhenRead(): void {
    const { readLimit = Infinity } = this.#options;
    if (this.backlog > readLimit && !this.#closed) void this.drained().then(this.hold());
  }

  #negotiate(raw: Uint8Array): void {
    const hello = tryDecode(raw);
    if (hello instanceof OfpError || hello.type !== 'hello') {
      const type = hello instanceof OfpError ? `message of type ${raw[1]}` : hello.type;
      log.rl.warn(`${this.#peer}: received message while expecting hello: ${type}`);
      this.#end('Protocol error');
      return;
    }
    const { versions } = this.#options;
    const highest = 31 - Math.clz32(versions);
    let common = versions & hello.versions;
    // A peer newer than any that we know speaks what we know, too, unless it says otherwise.
    if (common === 0 && hello.version > highest && raw.length === 8) common = 1 << highest;
    if (common === 0) {
      this.#refuse(hello.versions, hello.xid);
      return;
    }
    this.#version = (31 - Math.clz32(common)) as OfpVersion;
    if (log.enabled('dbg')) this.#logVersion(hello.versions, versions);
    // From 1.1 on flow mods have tables by themselves.
    if (this.#version > 1) this.#context = { ...this.#context, hasTableId: true };
    this.#events.open(this.#version);
  }

  #logVersion(theirs: number, ours: number): void {
    const version = `0x0${this.#version}`;
    const [we, peer] = [ours, theirs].map(supportedText);
    log.dbg(
      `${this.#peer}: negotiated OpenFlow version ${version} (we support ${we}, peer supports ${peer})`,
    );
  }

  #refuse(theirs: number, xid: number): void {
    const why = `We support ${supportedText(this.#options.versions)}, you support ${supportedText(theirs)}, no common versions.`;
    log.rl.warn(
      `${this.#peer}: version negotiation failed (we support ${supportedText(this.#options.versions)}, peer supports ${supportedText(theirs)})`,
    );
    const version = Math.max(1, Math.min(6, 31 - Math.clz32(theirs))) as OfpVersion;
    this.sendRaw(
      encodeMultipart({
        type: 'error',
        version,
        xid,
        errorType: OFPET_HELLO_FAILED,
        code: OFPHFC_INCOMPATIBLE,
        data: Buffer.from(why),
      })[0]!,
    );
    const { close } = this.#events;
    this.close();
    close('Protocol error');
  }

  /** `last`: a whole message, or the last part of one. */
  #message(last: Uint8Array): void {
    if (this.#events.undecoded && last[0] === this.#version) {
      this.#events.undecoded(last);
      return;
    }
    const isOurs = last[0] === this.#version || last[1]! <= OFPT_ECHO_REPLY;
    const { gather } = this.#options;
    let raw = last;
    if (isOurs && gather) {
      const parts = gather(last);
      if (parts === undefined) return;
      if (parts.length > 1) {
        this.#whole(parts);
        return;
      }
      raw = parts[0]!;
    }
    const msg = isOurs ? tryDecode(raw, this.#context) : undefined;
    if (msg && 'type' in msg && msg.type === 'flow_mod_table_id' && msg.version === 1) {
      this.#context = { ...this.#context, hasTableId: msg.enabled };
    }
    if (msg === undefined) {
      this.#events.bad(new OfpError('OFPBRC_BAD_VERSION'), raw);
    } else if (msg instanceof OfpError) this.#events.bad(msg, raw);
    else this.#events.message(msg, raw);
  }

  #whole(parts: readonly Uint8Array[]): void {
    const messages: OfpMessage[] = [];
    for (const part of parts) {
      const msg = tryDecode(part, this.#context);
      if (msg instanceof OfpError) {
        this.#events.bad(msg, part);
        return;
      }
      messages.push(msg);
    }
    this.#events.message(joined(messages), parts.at(-1)!);
  }
}

/** The last part, with the lists of all. */
function joined(parts: readonly OfpMessage[]): OfpMessage {
  const last = parts.at(-1)!;
  if (last.type === 'table_features_request') {
    const tables = parts.flatMap((part) => (part.type === last.type ? part.tables : []));
    return { ...last, tables };
  }
  if (last.type === 'flow_monitor_request') {
    const monitors = parts.flatMap((part) => (part.type === last.type ? part.monitors : []));
    return { ...last, monitors };
  }
  return last;
}

function tryDecode(raw: Uint8Array, context?: DecodeContext): OfpMessage | OfpError {
  try {
    return decodeMessage(raw, context);
  } catch (error) {
    if (error instanceof OfpError) return error;
    throw error;
  }
}

function bytesOf(data: string | Uint8Array): Uint8Array {
  return typeof data === 'string' ? Buffer.from(data) : data;
}

function reason(error: NodeJS.ErrnoException): string {
  return error.code === undefined ? error.message : strerror(error.code);
}
