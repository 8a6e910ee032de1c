/** A connection to a switch, for tests: sends flow mods, tells which were refused. */
import { EventEmitter, once } from 'node:events';
import {
  type FlowMod,
  type MessageOf,
  type OfpBody,
  type OfpMessage,
  type OfpVersion,
  Vconn,
} from '@heddle/openflow';

export class TestController implements Disposable {
  readonly #vconn: Vconn;
  readonly #events = new EventEmitter();
  #xid = 1;
  /** Errors by the transaction that they answer. */
  readonly errors = new Map<number, OfpMessage>();
  readonly received: OfpMessage[] = [];

  private constructor(remote: string, version: OfpVersion) {
    // Who waits hears of an end; nobody else has to.
    this.#events.on('error', () => {});
    this.#vconn = Vconn.connect(
      remote,
      { versions: 1 << version, name: remote },
      {
        open: () => void this.#events.emit('open'),
        message: (msg) => {
          if (msg.type === 'echo_request') this.#answer(msg);
          else if (msg.type === 'error') this.errors.set(msg.xid, msg);
          else this.received.push(msg);
          this.#events.emit(`reply ${msg.xid}`);
        },
        bad: (error) => void this.#events.emit('error', error),
        close: (why) => void this.#events.emit('error', new Error(why ?? 'closed')),
      },
    );
  }

  static async open(remote: string, version: OfpVersion): Promise<TestController> {
    const controller = new TestController(remote, version);
    await once(controller.#events, 'open');
    return controller;
  }

  #answer({ version, xid, data }: MessageOf<'echo_request'>): void {
    this.#vconn.send({ version, xid, type: 'echo_reply', data });
  }

  send(body: OfpBody): number {
    const xid = ++this.#xid;
    this.#vconn.send({ ...body, version: this.#vconn.version, xid });
    return xid;
  }

  /** When everything sent so far has been dealt with. */
  barrier(): Promise<void> {
    const xid = this.send({ type: 'barrier_request' });
    return new Promise((resolve) => this.#events.once(`reply ${xid}`, resolve));
  }

  /** Which of them the switch took. */
  async flowMods(mods: readonly FlowMod[]): Promise<boolean[]> {
    const xids = mods.map((mod) => this.send({ type: 'flow_mod', ...mod }));
    await this.barrier();
    return xids.map((xid) => !this.errors.has(xid));
  }

  [Symbol.dispose](): void {
    this.#events.removeAllListeners();
    this.#events.on('error', () => {});
    this.#vconn.close();
  }
}
