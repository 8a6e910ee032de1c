/** A socket that is listened to past its stream while its peer asks often without a rest. */
import type { Socket } from 'node:net';
import { directFd, directSockets } from './direct-sockets.ts';

const OFTEN = 8;
const REST_MS = 20;

export class FrequentSocket {
  readonly #socket: Socket;
  readonly #received: (data: string | Buffer) => void;
  /** Requests since it rested. */
  #asked = 0;
  #askedBefore = 0;
  #rest: NodeJS.Timeout | undefined;
  #unattend: (() => void) | undefined;

  /** `received` gets what its stream would, a string when it is one JSON text of ASCII. */
  constructor(socket: Socket, received: (data: string | Buffer) => void) {
    this.#socket = socket;
    this.#received = received;
    socket.on('close', () => this.rest());
  }

  /** The peer has asked for something. `isReading`: there is nothing that must wait, nor half a request. */
  asked(isReading: boolean): void {
    this.#asked++;
    if (this.#unattend) return;
    if (this.#asked >= OFTEN && isReading) this.#attend();
    else if (this.#rest === undefined) this.#watch();
  }

  /** By the stream alone, until it has asked often again: to be called before the stream is paused. */
  rest(): void {
    clearInterval(this.#rest);
    this.#rest = undefined;
    this.#asked = 0;
    this.#askedBefore = 0;
    this.#unattend?.();
    this.#unattend = undefined;
  }

  #attend(): void {
    const fd = directFd(this.#socket);
    if (fd === undefined || this.#socket.destroyed) return;
    this.#unattend = directSockets()?.attend(fd, (data) => {
      this.#asked++;
      this.#received(data);
    });
  }

  /** Looks now and then whether it asks still. */
  #watch(): void {
    this.#rest = setInterval(() => {
      if (this.#asked === this.#askedBefore) this.rest();
      this.#askedBefore = this.#asked;
    }, REST_MS).unref();
  }
}
