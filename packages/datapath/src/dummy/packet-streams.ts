/** The sockets of a dummy device: one that it connects (`stream`), or those that come to it (`pstream`). */
import type { Server, Socket } from 'node:net';
import { connectRemote, listenRemote, messageOf, Reconnect, vlog } from '@heddle/runtime';
import type { Clock } from '@heddle/runtime/clock';
import { FrameSocket } from './frame-socket.ts';

const log = vlog.module('netdev_dummy');

/** A peer of a dummy device, or a place for peers. */
interface Endpoint {
  /** As in `dpctl/show`; undefined: it could not be opened. */
  readonly config: string | undefined;
  readonly isConnected?: boolean;
  send(frame: Uint8Array): void;
  close(): void;
}

type Receive = (frame: Uint8Array) => void;

export class PacketStreams {
  readonly #clock: Clock;
  readonly #receive: Receive;
  #endpoint: Endpoint | undefined;
  #active: string | undefined;
  #passive: string | undefined;

  constructor(clock: Clock, receive: Receive) {
    this.#clock = clock;
    this.#receive = receive;
  }

  /** Of an active stream; undefined without one. */
  get isConnected(): boolean | undefined {
    return this.#endpoint?.isConnected;
  }

  get config(): string | undefined {
    return this.#endpoint?.config;
  }

  /** `stream` and `pstream` of an Interface's options; both at once leave things as they are. */
  configure(active: string | undefined, passive: string | undefined): void {
    if (active !== undefined && passive !== undefined) {
      log.warn(`Open failed: both ${passive} and ${active} are configured`);
      return;
    }
    if (active === this.#active && passive === this.#passive) return;
    this.close();
    this.#active = active;
    this.#passive = passive;
    if (active !== undefined) {
      this.#endpoint = new ActiveStream(active, this.#clock, this.#receive);
    } else if (passive !== undefined) this.#endpoint = new PassiveStream(passive, this.#receive);
  }

  send(frame: Uint8Array): void {
    this.#endpoint?.send(frame);
  }

  close(): void {
    this.#endpoint?.close();
    this.#endpoint = undefined;
    this.#active = undefined;
    this.#passive = undefined;
  }
}

class ActiveStream implements Endpoint {
  readonly #target: string;
  readonly #receive: Receive;
  readonly #reconnect: Reconnect;
  #socket: Socket | undefined;
  #frames: FrameSocket | undefined;

  constructor(target: string, clock: Clock, receive: Receive) {
    this.#target = target;
    this.#receive = receive;
    this.#reconnect = new Reconnect(
      target,
      {
        connect: () => this.#connect(),
        probe: () => {},
        disconnect: () => this.#socket?.destroy(),
      },
      { clock, probeMs: 0 },
    );
    this.#reconnect.start();
  }

  get config(): string {
    return `stream=${this.#target}`;
  }

  get isConnected(): boolean {
    return this.#frames !== undefined;
  }

  send(frame: Uint8Array): void {
    this.#frames?.send(frame);
  }

  close(): void {
    this.#reconnect.stop();
    this.#socket?.destroy();
  }

  #connect(): void {
    let socket: Socket;
    try {
      socket = connectRemote(this.#target);
    } catch (error) {
      this.#reconnect.failed(messageOf(error));
      return;
    }
    this.#socket = socket;
    const frames = new FrameSocket(socket, this.#receive, (why) => {
      if (socket !== this.#socket) return;
      this.#socket = undefined;
      this.#frames = undefined;
      this.#reconnect.failed(why);
    });
    socket.once('connect', () => {
      this.#frames = frames;
      this.#reconnect.connected();
    });
  }
}

class PassiveStream implements Endpoint {
  readonly #target: string;
  readonly #receive: Receive;
  readonly #peers = new Set<FrameSocket>();
  #server: Server | undefined;
  #port = '';
  #isClosed = false;
  #failed = false;

  constructor(target: string, receive: Receive) {
    this.#target = target;
    this.#receive = receive;
    listenRemote(target, (socket) => this.#accept(socket)).then(
      (server) => this.#listens(server),
      (error) => {
        this.#failed = true;
        log.warn(`${target}: open failed (${messageOf(error)})`);
      },
    );
  }

  /** With the port that was chosen, when any would do. */
  get config(): string | undefined {
    if (this.#failed) return undefined;
    return `pstream=${this.#target.replace(/^(p(?:tcp|ssl):)0?(?=$|:)/, `$1${this.#port}`)}`;
  }

  send(frame: Uint8Array): void {
    for (const peer of this.#peers) peer.send(frame);
  }

  close(): void {
    this.#isClosed = true;
    this.#server?.close();
    for (const peer of this.#peers) peer.close();
  }

  #listens(server: Server): void {
    this.#server = server;
    const address = server.address();
    if (address !== null && typeof address === 'object') this.#port = String(address.port);
    if (this.#isClosed) server.close();
  }

  #accept(socket: Socket): void {
    if (this.#isClosed) {
      socket.destroy();
      return;
    }
    const peer: FrameSocket = new FrameSocket(socket, this.#receive, () => {
      this.#peers.delete(peer);
    });
    this.#peers.add(peer);
  }
}
