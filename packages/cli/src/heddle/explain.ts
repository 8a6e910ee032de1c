/** `heddle explain`: why packets go where they go, in plain words. */
import { existsSync } from 'node:fs';
import { HeddleError } from '@heddle/runtime/errors';
import type { ParsedLine } from '@heddle/runtime/options';
import { print, printError } from '@heddle/runtime/stdio';
import type { Explanation } from '@heddle/vswitch/explain/explanation';
import { callDaemon, daemonPid } from './daemons.ts';

/** Distinct packets of a file that are asked about. */
const MAX_PACKETS = 1000;

export async function explainCommand(line: ParsedLine): Promise<number> {
  const [bridge = '', what] = line.args;
  const values = (long: string) =>
    line.options.filter(({ spec }) => spec.long === long).map(({ value }) => value ?? '');
  const json = values('json').length > 0;
  const options = [
    ...values('to').map((port) => `--to=${port}`),
    ...values('ct-next').map((state) => `--ct-next=${state}`),
  ];
  if (values('drops').length > 0) {
    if (what !== undefined) throw new HeddleError('--drops takes no flow');
    return print(await ask('heddle/drops', ...(json ? ['--json'] : []), bridge));
  }
  if (what === undefined) throw new HeddleError('name a flow, a pcap file, or --drops');
  if (!existsSync(what)) {
    if (isFileName(what)) throw new HeddleError(`${what}: there is no such file`);
    return print(
      await ask('heddle/explain', ...(json ? ['--json'] : []), ...options, bridge, what),
    );
  }
  const groups = await explainFile(what, bridge, options, values('in-port').at(-1));
  return print(json ? `${JSON.stringify(groups, null, 2)}\n` : groups.map(groupText).join('\n'));
}

/** A flow has neither: it would be refused for fields of such names. */
function isFileName(what: string): boolean {
  return !what.includes('=') && (what.includes('/') || /\.p?cap(ng)?(\.\w+)?$/.test(what));
}

function ask(command: string, ...args: string[]): Promise<string> {
  const pid = daemonPid('ovs-vswitchd');
  if (pid === undefined) throw new HeddleError('the switch does not run');
  return callDaemon('ovs-vswitchd', pid, command, ...args);
}

/** Packets of a file that went the same way for the same reasons. */
interface Group {
  packets: number;
  bytes: number;
  /** Packets that differ in any header field. */
  flows: number;
  readonly text: string;
  readonly explanation: Explanation;
}

async function explainFile(
  path: string,
  bridge: string,
  options: readonly string[],
  inPort: string | undefined,
): Promise<Group[]> {
  const { toHex } = await import('@heddle/packet');
  const { distinctPackets } = await import('./capture.ts');
  const distinct = distinctPackets(path);
  if (distinct.length > MAX_PACKETS) {
    printError(
      `${path}: ${distinct.length} distinct packets; the first ${MAX_PACKETS} are explained\n`,
    );
  }
  const groups = new Map<string, Group>();
  for (const { data, packets, bytes } of distinct.slice(0, MAX_PACKETS)) {
    const flow = inPort === undefined ? 'in_port=NONE' : `in_port=${inPort}`;
    const words = [...options, bridge, flow, toHex(data)];
    const explanation = JSON.parse(await ask('heddle/explain', '--json', ...words)) as Explanation;
    const key = JSON.stringify([explanation.megaflow, explanation.verdict, explanation.reason]);
    const known = groups.get(key);
    if (known) {
      known.packets += packets;
      known.bytes += bytes;
      known.flows++;
      continue;
    }
    const text = await ask('heddle/explain', ...words);
    groups.set(key, { packets, bytes, flows: 1, text, explanation });
  }
  return [...groups.values()].sort((a, b) => b.packets - a.packets);
}

function groupText({ packets, bytes, flows, text, explanation }: Group): string {
  const head = `${packets} packets, ${bytes} bytes, ${flows} distinct: ${explanation.megaflow}`;
  return `${'='.repeat(79)}\n${head}\n${'='.repeat(79)}\n${text}`;
}
