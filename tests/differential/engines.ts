/** A random switch on each of the engines that can run it. */
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { type Dpif, MemoryNetdev, type OdpPort, UserspaceDpif } from '@heddle/datapath';
import { Rig, until } from '@heddle/datapath/kernel/test-support';
import { parsePcap, toHex } from '@heddle/packet';
import { realClock } from '@heddle/runtime';
import { Backer } from '@heddle/vswitch/backer';
import { buildSwitch, type SwitchSpec, vsctlWords } from '@heddle/vswitch/oracle/random-switch';
import type { OraclePort, SwitchOracle } from '@heddle/vswitch/oracle/switch-oracle';

export interface Engine {
  readonly name: string;
  /** Resolves when the switch has dealt with the frame. */
  send(port: string, frame: Uint8Array): Promise<void>;
  /** `PORT HEX` of each frame that came out since the last call. */
  transmitted(): Promise<string[]>;
  close(): Promise<void>;
}

const OFPP_LOCAL = 0xfffe;

/** The ports that are devices. */
function devices(spec: SwitchSpec): string[] {
  return spec.ports.filter((p) => p.peer === undefined).map((p) => p.name);
}

/** Our switch over a datapath in which the devices have these numbers. */
function start(spec: SwitchSpec, dpif: Dpif, odpPorts: ReadonlyMap<string, OdpPort>): Backer {
  const local = spec.bridges.map(({ name }) => ({ bridge: name, name, ofport: OFPP_LOCAL }));
  const ports = spec.ports.map(({ bridge, name }, i) => ({ bridge, name, ofport: i + 1 }));
  const numbers = [...local, ...ports].map(
    (p): OraclePort => ({ ...p, odpPort: odpPorts.get(p.name) }),
  );
  const backer = new Backer(dpif, realClock);
  backer.vlanLimit = spec.vlanLimit;
  const built = buildSwitch(spec, numbers, (...moved) => backer.udpif.macChanged(...moved));
  for (const port of built.ports.values()) {
    if (port.odpPort !== undefined) backer.ports.set(port.odpPort, port);
  }
  backer.udpif.start();
  return backer;
}

export async function userspace(spec: SwitchSpec): Promise<Engine> {
  const netdevs = new Map<string, MemoryNetdev>();
  const odpPorts = new Map<string, OdpPort>();
  const dpif = new UserspaceDpif({
    openNetdev: (name) => {
      const netdev = new MemoryNetdev(name);
      netdevs.set(name, netdev);
      return netdev;
    },
  });
  for (const name of devices(spec)) odpPorts.set(name, await dpif.portAdd(name, 'system'));
  const backer = start(spec, dpif, odpPorts);
  return {
    name: 'the userspace datapath',
    send: async (port, frame) => {
      netdevs.get(port)!.receive(frame);
      for (let turn = 0; turn < 12; turn++) await new Promise((done) => setImmediate(done));
      await backer.udpif.wait();
    },
    transmitted: async () =>
      [...netdevs].flatMap(([name, netdev]) =>
        netdev.transmitted.splice(0).map((frame) => `${name} ${toHex(frame)}`),
      ),
    close: async () => {
      backer.udpif.stop();
      await dpif.destroy();
    },
  };
}

export async function ebpf(spec: SwitchSpec): Promise<Engine> {
  const names = devices(spec);
  const rig = await Rig.open(names.length);
  const odpPorts = new Map(names.map((name, i) => [name, rig.ports[i]!]));
  const backer = start(spec, rig.dpif, odpPorts);
  const sent = new Map<string, number>();
  return {
    name: 'the eBPF datapath',
    send: async (port, frame) => {
      const odpPort = odpPorts.get(port)!;
      const before = sent.get(port) ?? rig.dpif.portStats(odpPort).rxPackets;
      sent.set(port, before + 1);
      rig.send(odpPort, frame);
      const arrived = () => rig.dpif.portStats(odpPort).rxPackets > before;
      await until(() => arrived() && !rig.dpif.upcallsPending());
      await backer.udpif.wait();
    },
    transmitted: async () =>
      [...odpPorts].flatMap(([name, odpPort]) =>
        rig.received(odpPort).map((frame) => `${name} ${toHex(frame)}`),
      ),
    close: async () => {
      backer.udpif.stop();
      await rig.close();
    },
  };
}

/** Open vSwitch's dummy devices write what they send to a file. */
export async function openVswitch(spec: SwitchSpec, oracle: SwitchOracle): Promise<Engine> {
  const names = devices(spec);
  const pcap = (name: string) => join(oracle.dir, `${name}.pcap`);
  const read = new Map<string, number>();
  oracle.clear();
  for (const name of names) rmSync(pcap(name), { force: true });
  const record = names.flatMap((name) => [
    ...['--', 'set', 'Interface', name],
    `options:tx_pcap=${pcap(name)}`,
  ]);
  oracle.vsctl(...vsctlWords(spec), ...record);
  for (const { bridge, port, vlan, mac } of spec.macs) {
    const hex = mac
      .toString(16)
      .padStart(12, '0')
      .replace(/..(?!$)/g, '$&:');
    await oracle.appctl('fdb/add', bridge, port, String(vlan), hex);
  }
  return {
    name: 'Open vSwitch',
    send: async (port, frame) => {
      // Its megaflows do not look at inner tags: a frame with one would be taken for one without.
      await oracle.appctl('revalidator/purge');
      await oracle.appctl('netdev-dummy/receive', port, toHex(frame));
      // Each answer is from another turn of its main loop, which is what forwards.
      for (let turn = 0; turn < 3; turn++) await oracle.appctl('version');
    },
    transmitted: async () =>
      names.flatMap((name) => {
        const records = existsSync(pcap(name)) ? parsePcap(readFileSync(pcap(name))) : [];
        const fresh = records.slice(read.get(name) ?? 0);
        read.set(name, records.length);
        return fresh.map((record) => `${name} ${toHex(record.data)}`);
      }),
    close: async () => oracle.clear(),
  };
}
