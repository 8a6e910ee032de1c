/** First packets: what they cost through tables of several sizes, and which megaflows they leave. */
import { delay, type Instance, Scope } from '@heddle/testing';
import type { Sockets } from '../datapath/sockets.ts';
import { note, switchCpuMs } from './results.ts';
import {
  addFlows,
  addHosts,
  address,
  flowLines,
  frameOf,
  ofctl,
  openSwitch,
  type Side,
} from './side.ts';

const TABLE_SIZES = [10, 1000, 100_000];
const PACKETS = 10_000;
const BURST = 32;
const BURST_MS = 4;
/** Looks at the whole source: each packet of another one asks for a flow of its own. */
const BY_SOURCE = 'priority=1000,dl_src=02:00:00:00:00:99 actions=drop\n';
const REST = 'priority=1 actions=output:2\n';

export async function measureUpcalls(side: Side): Promise<void> {
  for (const size of TABLE_SIZES) {
    await using scope = new Scope();
    const instance = await openSwitch(side, scope);
    using sockets = await addHosts(instance, scope);
    await addFlows(instance, flowLines(size, 2, 1) + REST);
    await sendAll(sockets, framesTo(size));
    const flows = await megaflows(instance);
    note(`${PACKETS} packets, table of ${size}: megaflows`, side.who, flows.length);
    note(`${PACKETS} packets, table of ${size}: masks`, side.who, new Set(flows.map(maskOf)).size);
    await ofctl(instance, 'add-flow', 'br0', BY_SOURCE.trim());
    // Once for warmth.
    for (const what of ['first ', '']) {
      await instance.exec('/usr/bin/ovs-appctl', 'revalidator/purge');
      const before = switchCpuMs(instance);
      await sendAll(sockets, framesTo(size));
      const cpu = switchCpuMs(instance) - before;
      const installed = (await megaflows(instance)).length;
      const us = (1000 * cpu) / installed;
      note(`new flow, table of ${size}, ${what}${PACKETS}: CPU µs`, side.who, us);
      note(
        `new flows, table of ${size}, ${what}${PACKETS}: share`,
        side.who,
        installed / PACKETS,
        'rate',
      );
    }
  }
}

/** To the addresses of half of the flows, and as many others. */
function framesTo(size: number): Uint8Array[] {
  return Array.from({ length: PACKETS }, (_, n) =>
    frameOf(n, n % 2 === 0 ? address((n * 7919) % size) : address((n * 104_729) & 0xff_ffff)),
  );
}

export async function sendAll(sockets: Sockets, frames: readonly Uint8Array[]): Promise<void> {
  for (let at = 0; at < frames.length; at += BURST) {
    sockets.send(sockets.batch(frames.slice(at, at + BURST)));
    await delay(BURST_MS);
  }
  await delay(300);
}

/** Of packets from `frameOf`, not what kernels send by themselves. */
export async function megaflows(instance: Instance): Promise<string[]> {
  const text = await instance.exec('/usr/bin/ovs-appctl', 'dpctl/dump-flows');
  return text.split('\n').filter((line) => /eth_type\(0x0800\)/.test(line));
}

/** A flow's text without values. */
function maskOf(flow: string): string {
  const match = flow.slice(0, flow.indexOf(', packets:'));
  return match.replace(/([=(])[^=(),/]+(?=[,)/])/g, '$1');
}
