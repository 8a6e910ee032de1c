/**
 * Traces over one connection to the control socket, with the client on the switch's core and on another: to
 * wake somebody who sleeps on another core takes both switches twice the time, and which it is would be
 * for the scheduler to say, and might be one for one switch and the other for the other all along.
 */
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { type Instance, runOk, Scope } from '@heddle/testing';
import { type Cost, costOf, NOTHING, sumOf } from './cost.ts';
import { note } from './results.ts';
import { addFlows, address, alternate, flowLines, forBoth, mapPair, openSwitches } from './side.ts';

const TABLE_SIZES = [10, 1000, 100_000];
const BURST = 200;
/** The first ones after a start, then as many that nobody looks at. */
const FIRST_BURSTS = 15;
const BURSTS = 30;
const CORES = { 'on one core': ['0', '0'], 'on two cores': ['0', '1'] } as const;

export async function measureTraces(): Promise<void> {
  for (const size of TABLE_SIZES) {
    await using scope = new Scope();
    const pair = await openSwitches(scope);
    await forBoth((who) => addFlows(pair[who], flowLines(size, 1, 1)));
    const controls = await forBoth((who) => Control.open(pair[who]));
    const bursts = (count: number) =>
      alternate(count, (who, n) =>
        costOf(pair[who], async () => {
          for (let i = n * BURST; i < (n + 1) * BURST; i++) {
            const flow = `in_port=LOCAL,ip,nw_dst=${address((2 * i) % size)}`;
            await controls[who].ask('ofproto/trace', 'br0', flow);
          }
        }),
      );
    const tell = (what: string, cost: { ours: Cost; theirs: Cost }, traces: number) => {
      const name = `trace, table of ${size}${what}`;
      note(
        `${name}: CPU µs`,
        mapPair(cost, ({ switchMs }) => (1000 * switchMs) / traces),
      );
      note(
        `${name}: µs`,
        mapPair(cost, ({ wallMs }) => (1000 * wallMs) / traces),
      );
    };
    const pids = mapPair(pair, (instance) => instance.pid('ovs-vswitchd')!);
    const allowed = /Cpus_allowed_list:\s+(\S+)/.exec(
      readFileSync('/proc/self/status', 'utf8'),
    )![1]!;
    let isFirst = true;
    for (const [where, [switches, client]] of Object.entries(CORES)) {
      await forBoth((who) => pin(pids[who], switches));
      await pin(process.pid, client);
      if (isFirst) {
        const first = await bursts(FIRST_BURSTS);
        const total = (who: 'ours' | 'theirs') => first.map((p) => p[who]).reduce(sumOf, NOTHING);
        const traces = FIRST_BURSTS * BURST;
        tell(
          `, first ${traces}, ${where}`,
          { ours: total('ours'), theirs: total('theirs') },
          traces,
        );
        await bursts(FIRST_BURSTS);
        isFirst = false;
      }
      for (const costs of await bursts(BURSTS)) tell(`, ${where}`, costs, BURST);
    }
    // Who is started from now on may run anywhere.
    await pin(process.pid, allowed);
    mapPair(controls, (control) => control.close());
  }
}

/** A process's first thread, which is the one that asks and answers. */
async function pin(pid: number, cores: string): Promise<void> {
  await runOk(['taskset', '-p', '-c', cores, `${pid}`]);
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
