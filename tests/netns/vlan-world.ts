/** A bridge with four quiet ports, and what comes out of each for a frame sent into one. */
import { toHex } from '@heddle/packet';
import { ethernet, raw, vlan } from '@heddle/packet/build';
import { Host, type Instance, type Scope, silence, Wire } from '@heddle/testing';

export const PORTS = ['p1', 'p2', 'p3', 'p4'] as const;
export type PortName = (typeof PORTS)[number];

/** Columns of each port and of the bridge, as `ovs-vsctl set` takes them. */
export interface Config {
  readonly ports: Readonly<Partial<Record<PortName, readonly string[]>>>;
  readonly bridge?: readonly string[];
  /** Tags that a flow can match: `other_config:vlan-limit`, 1 unless given. */
  readonly vlanLimit?: 1 | 2;
}

export interface Tag {
  readonly vid: number;
  readonly pcp?: number;
  readonly tpid?: number;
}

/** Sent into `from`, tags outermost first. */
export interface Stimulus {
  readonly from: PortName;
  readonly tags: readonly Tag[];
  readonly dst?: string;
  readonly src?: string;
}

export class VlanWorld {
  readonly instance: Instance;
  readonly #wires = new Map<PortName, Wire>();
  readonly #marks = new Map<string, number>();
  readonly #lines: string[] = [];
  #serial = 0;

  private constructor(instance: Instance) {
    this.instance = instance;
  }

  static async create(scope: Scope, instance: Instance): Promise<VlanWorld> {
    const world = new VlanWorld(instance);
    const netdev = instance.kind.name === 'oracle' ? ['datapath_type=netdev'] : [];
    await instance.vsctl(
      'add-br',
      'br0',
      '--',
      'set',
      'bridge',
      'br0',
      'fail_mode=standalone',
      ...netdev,
    );
    for (const port of PORTS) {
      const host = await Host.create(scope);
      await host.veth(scope, 'eth0', port, instance.host);
      await silence(host, 'eth0');
      await silence(instance.host, port);
      await instance.vsctl('add-port', 'br0', port);
      world.#wires.set(port, Wire.open(scope, host, 'eth0'));
    }
    return world;
  }

  async configure(config: Config): Promise<void> {
    const commands = PORTS.flatMap((port) => {
      const columns = config.ports[port] ?? [];
      const clear = ['tag', 'trunks', 'cvlans', 'vlan_mode', 'other_config'];
      return [
        ...['--', 'clear', 'Port', port, ...clear],
        ...['--', 'set', 'Port', port, 'protected=false'],
        ...(columns.length === 0 ? [] : ['--', 'set', 'Port', port, ...columns]),
      ];
    });
    const bridge = config.bridge ?? [];
    await this.instance.vsctl(
      ...['set', 'Open_vSwitch', '.', `other_config:vlan-limit=${config.vlanLimit ?? 1}`],
      ...['--', 'clear', 'Bridge', 'br0', 'flood_vlans', 'other_config'],
      ...(bridge.length === 0 ? [] : ['--', 'set', 'Bridge', 'br0', ...bridge]),
      ...commands,
    );
    await this.instance.appctl('fdb/flush', 'br0');
    // ovs-vsctl returns when the configuration is in force, before old megaflows are revalidated.
    await this.instance.appctl('revalidator/wait');
    await this.instance.appctl('revalidator/purge');
  }

  /** Forgets what was sent and what came out. */
  begin(): void {
    for (const wire of this.#wires.values()) wire.received();
    this.#marks.clear();
    this.#lines.length = 0;
  }

  /** Sends a frame that is marked as its own. */
  async send(stimulus: Stimulus): Promise<void> {
    const mark = ++this.#serial;
    this.#marks.set(hexMark(mark), this.#marks.size);
    // Open vSwitch's megaflows do not look at inner tags: a frame with one would be taken for one
    // without that came before.
    if (this.instance.kind.name === 'oracle') await this.instance.appctl('revalidator/purge');
    this.#wires.get(stimulus.from)!.send(frameOf(stimulus, mark));
  }

  /** What has left by each port by now, as text: `#0 p2 [8100:100/0]`. */
  lines(): readonly string[] {
    for (const [port, wire] of this.#wires) {
      for (const frame of wire.received()) this.#lines.push(...describe(port, frame, this.#marks));
    }
    return this.#lines.sort();
  }
}

const ETH_TYPE = 0x88b5;

function frameOf({ tags, dst, src, from }: Stimulus, mark: number): Uint8Array {
  const body = new Uint8Array(46);
  new DataView(body.buffer).setUint32(0, mark);
  const inner = tags.reduceRight((part, tag) => vlan(tag, part), raw(ETH_TYPE, body));
  const source = src ?? `02:00:00:00:00:0${PORTS.indexOf(from) + 1}`;
  return ethernet({ dst: dst ?? 'ff:ff:ff:ff:ff:ff', src: source }, inner);
}

function hexMark(mark: number): string {
  return mark.toString(16).padStart(8, '0');
}

function describe(port: PortName, frame: Uint8Array, marks: ReadonlyMap<string, number>): string[] {
  const dv = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  const tags: string[] = [];
  let off = 12;
  for (; dv.getUint16(off) === 0x8100 || dv.getUint16(off) === 0x88a8; off += 4) {
    const tci = dv.getUint16(off + 2);
    tags.push(`${dv.getUint16(off).toString(16)}:${tci & 0xfff}/${tci >>> 13}`);
  }
  if (dv.getUint16(off) !== ETH_TYPE) return [];
  const index = marks.get(toHex(frame.subarray(off + 2, off + 6)));
  return index === undefined ? [] : [`#${index} ${port} [${tags.join(' ')}]`];
}
