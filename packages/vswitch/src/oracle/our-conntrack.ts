/** The userspace engine under a bridge's flow tables: what is compared with Open vSwitch's tracker. */
import { formatCtEntry, MemoryNetdev, UserspaceDpif } from '@heddle/datapath';
import { toHex } from '@heddle/packet';
import { FakeClock } from '@heddle/runtime';
import { CtZones } from '../ct-zones.ts';
import { runDpctl } from '../dpctl/index.ts';
import { MacLearning } from '../mac-learning.ts';
import { FlowChanges } from '../ofproto/flow-changes.ts';
import { applyFlowMod } from '../ofproto/flow-mod.ts';
import { RecircIds } from '../ofproto/recirc.ts';
import { Bundle, OfPort, Ofproto } from '../ofproto.ts';
import { Udpif } from '../ofproto-dpif-upcall.ts';
import type { CtScenario } from './conntrack-flows.ts';
import { parseFlowLine } from './parse-lines.ts';

/** A bridge with ports 1 to 3. */
export class OurConntrack {
  readonly clock = new FakeClock(1000);
  readonly dpif: UserspaceDpif;
  readonly #devices: MemoryNetdev[] = [];

  private constructor() {
    this.dpif = new UserspaceDpif({
      clock: this.clock,
      defer: (task) => task(),
      openNetdev: (name) => {
        const device = new MemoryNetdev(name);
        this.#devices.push(device);
        return device;
      },
    });
  }

  static async open({ flows, timeouts = {} }: Omit<CtScenario, 'name'>): Promise<OurConntrack> {
    const ours = new OurConntrack();
    const zones = new CtZones(ours.dpif.ct);
    const policies = Object.entries(timeouts).map(
      ([zone, each]) => [Number(zone), { timeouts: new Map(Object.entries(each)) }] as const,
    );
    zones.configure({ zones: new Map(policies) });
    const bridge = new Ofproto('br0', new MacLearning<Bundle>(ours.clock));
    for (let i = 1; i <= 3; i++) {
      const bundle = new Bundle(`p${i}`, bridge);
      const port = new OfPort(`p${i}`, i, bundle);
      port.odpPort = await ours.dpif.portAdd(`p${i}`, 'system', i);
      bundle.ports.push(port);
      bridge.bundles.set(`p${i}`, bundle);
      bridge.ports.set(i, port);
    }
    const recirc = new RecircIds(() => 0);
    const config = {
      vlanLimit: 1,
      portOf: (odp: number) => bridge.ports.get(odp),
      recirc,
      ctTimeoutOf: (zone: number) => zones.policyOf(zone),
    };
    const udpif = new Udpif(ours.dpif, config, ours.clock);
    ours.dpif.setUpcallHandler((batch) => udpif.handle(batch));
    for (const line of flows) applyFlowMod(new FlowChanges(bridge), parseFlowLine(line), 0, 4);
    return ours;
  }

  send(port: number, frame: Uint8Array): string[] {
    this.#devices[port - 1]!.receive(frame);
    return this.#devices.flatMap((d, i) =>
      d.transmitted.splice(0).map((bytes) => `${i + 1}:${toHex(bytes)}`),
    );
  }

  dump(options: Parameters<typeof formatCtEntry>[1]): string {
    const entries = [...this.dpif.ct.entries()];
    return entries
      .map((e) => formatCtEntry(e, options))
      .sort()
      .join('\n');
  }

  async dpctl(name: string, ...args: string[]): Promise<string> {
    const env = {
      program: 'ovs-vswitchd',
      dpifs: () => [this.dpif],
      readFile: async () => '',
    };
    const { output, more = [] } = await runDpctl(env, name, args);
    let text = output;
    for await (const piece of more) text += piece;
    return text;
  }
}
