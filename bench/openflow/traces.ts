/** Traces over one connection to the control socket. */
import { connect } from 'node:net';
import { join } from 'node:path';
import { type Instance, Scope } from '@heddle/testing';
import { note, switchCpuMs } from './results.ts';
import { addFlows, address, flowLines, openSwitch, type Side } from './side.ts';

const TABLE_SIZES = [10, 100_000];
const TRACES = 3000;

export async function measureTraces(side: Side): Promise<void> {
  for (const size of TABLE_SIZES) {
    await using scope = new Scope();
    const instance = await openSwitch(side, scope);
    await addFlows(instance, flowLines(size, 1, 1));
    const control = await Control.open(instance);
    // Once for warmth.
    for (const what of ['first ', '']) {
      const before = switchCpuMs(instance);
      const start = performance.now();
      for (let i = 0; i < TRACES; i++) {
        await control.ask('ofproto/trace', 'br0', `in_port=LOCAL,ip,nw_dst=${address(i % size)}`);
      }
      const us = (1000 * (switchCpuMs(instance) - before)) / TRACES;
      note(`trace, table of ${size}, ${what}${TRACES}: CPU µs`, side.who, us);
      const perSecond = (1000 * TRACES) / (performance.now() - start);
      note(`traces per second, table of ${size}, ${what}${TRACES}`, side.who, perSecond, 'rate');
    }
    control.close();
  }
}

/** JSON-RPC as ovs-appctl(8) speaks it, one request at a time. */
class Control {
  readonly #socket;
  #text = '';
  #answered: ((text: string) => void) | undefined;

  private constructor(path: string) {
    this.#socket = connect(path);
    this.#socket.setEncoding('utf8');
    this.#socket.on('data', (text: string) => {
      this.#text += text;
      // A reply is one object, and nothing follows it.
      if (!text.endsWith('}') && !text.endsWith('}\n')) return;
      let reply: { result: unknown; error: unknown };
      try {
        reply = JSON.parse(this.#text);
      } catch {
        return;
      }
      this.#text = '';
      if (typeof reply.result !== 'string') throw new Error(String(reply.error));
      this.#answered?.(reply.result);
    });
  }

  static async open(instance: Instance): Promise<Control> {
    const pid = instance.pid('ovs-vswitchd')!;
    const control = new Control(join(instance.directory, `ovs-vswitchd.${pid}.ctl`));
    await new Promise((resolve) => control.#socket.once('connect', resolve));
    return control;
  }

  ask(method: string, ...params: string[]): Promise<string> {
    return new Promise((resolve) => {
      this.#answered = resolve;
      this.#socket.write(JSON.stringify({ id: 0, method, params }));
    });
  }

  close(): void {
    this.#socket.destroy();
  }
}
