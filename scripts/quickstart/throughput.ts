/** TCP between two containers through the switch, and between two namespaces on a Linux bridge. */
import { Host, run, runOk, Scope } from '@heddle/testing';
import { NETNS, type World } from './world.ts';

export interface Throughput {
  switchGbps: number;
  bridgeGbps: number;
}

const ROUNDS = 3;
const SECONDS = 1;

/** Alternating rounds and medians, as the machine may be busy with other things. */
export async function throughput(world: World): Promise<Throughput> {
  await using scope = new Scope();
  const [a, c] = [world.nodes.get('a')!.host, world.nodes.get('c')!.host];
  // A userspace datapath gets packets whose checksum was left to the hardware: TCP drops them.
  if (world.userspace) {
    for (const { host } of world.nodes.values()) {
      await host.exec('ethtool', '-K', 'eth1', 'tx', 'off');
    }
  }
  const [left, right] = await linuxBridge(scope, world.instance.host);
  await c.iperfServer(scope);
  await right.iperfServer(scope);
  const ours: number[] = [];
  const theirs: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    ours.push(await a.iperf('10.0.0.3', SECONDS));
    theirs.push(await left.iperf('10.9.0.2', SECONDS));
  }
  return { switchGbps: median(ours), bridgeGbps: median(theirs) };
}

async function linuxBridge(scope: Scope, at: Host): Promise<[Host, Host]> {
  await runOk(at.argv('ip', 'link', 'add', 'lbr0', 'type', 'bridge'));
  scope.defer(async () => {
    await run(at.argv('ip', 'link', 'del', 'lbr0'));
  });
  await runOk(at.argv('ip', 'link', 'set', 'lbr0', 'up'));
  const make = async (n: number): Promise<Host> => {
    const host = await Host.create(scope, `${NETNS}-${n}`);
    await host.veth(scope, 'eth0', `lb${n}`, at);
    await host.address('eth0', `10.9.0.${n}/24`);
    await runOk(at.argv('ip', 'link', 'set', `lb${n}`, 'master', 'lbr0'));
    return host;
  };
  return [await make(1), await make(2)];
}

function median(values: readonly number[]): number {
  return [...values].sort((x, y) => x - y)[values.length >> 1] ?? Number.NaN;
}
