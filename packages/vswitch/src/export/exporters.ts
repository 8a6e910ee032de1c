/** The exporters of a bridge, as the database has them (ovs-vswitchd.conf.db(5)). */
import { isDeepStrictEqual } from 'node:util';
import type { Dpif, OdpPort, Upcall } from '@heddle/datapath';
import { Rtnl } from '@heddle/linux';
import type { Idl } from '@heddle/ovsdb';
import { VLAN_CFI, VLAN_VID_MASK } from '@heddle/packet';
import { type Clock, vlog } from '@heddle/runtime';
import type { Device } from '../devices/devices.ts';
import { DUMMY_KIND } from '../devices/dummy-devices.ts';
import { deviceSpeed } from '../iface-status.ts';
import { NO_PORT, type SampleUserdata } from '../ofproto/userdata.ts';
import type { OfPort, Ofproto } from '../ofproto.ts';
import type { BridgeRow, Schema } from '../port-config.ts';
import {
  type ExporterConfig,
  exporterConfig,
  type IpfixConfig,
  type SflowConfig,
} from './config.ts';
import { Ipfix } from './ipfix.ts';
import { type IpfixInterface, tunnelOf } from './ipfix-records.ts';
import { NetFlow } from './netflow.ts';
import { Sflow, type SflowPort, type SflowSettings } from './sflow.ts';

const log = vlog.module('sflow');

export interface ExporterEnv {
  readonly ofproto: Ofproto;
  readonly clock: Clock;
  readonly dpif: Dpif;
  portOf(odpPort: OdpPort): OfPort | undefined;
  device(name: string): Device | undefined;
  datapathId(): bigint;
  portStats(port: OfPort): SflowPort['stats'];
  /** The host's own address towards another. */
  sourceTowards(address: string): string | undefined;
}

const NOTHING: ExporterConfig = { collectorSets: new Map() };

export class Exporters {
  readonly #env: ExporterEnv;
  #settings = NOTHING;
  #agentAddress: string | undefined;
  #netflow: NetFlow | undefined;
  #sflow: Sflow | undefined;
  #ipfix: Ipfix | undefined;
  readonly #sets = new Map<number, Ipfix>();

  constructor(env: ExporterEnv) {
    this.#env = env;
  }

  /** Whether packets are to be treated otherwise from now on. */
  configure(idl: Idl<Schema>, row: BridgeRow): boolean {
    const asksFor = row.netflow ?? row.sflow ?? row.ipfix;
    const hasSets = idl.rows('Flow_Sample_Collector_Set').length > 0;
    // Most bridges export nothing, and there may be many of them.
    if (asksFor === undefined && !hasSets && this.#settings === NOTHING) return false;
    const config = exporterConfig(idl, row, this.#env.ofproto.serial);
    const agent = config.sflow && this.#agent(config.sflow);
    if (agent === this.#agentAddress && isDeepStrictEqual(config, this.#settings)) return false;
    const { clock, ofproto } = this.#env;
    this.#netflow = adjust(this.#netflow, config.netflow, (s) => new NetFlow(s, clock));
    this.#ipfix = adjust(this.#ipfix, config.ipfix?.settings, (s) => new Ipfix(s, clock));
    const sflow = agent === undefined ? undefined : sflowSettings(config.sflow!, agent);
    this.#sflow = adjust(this.#sflow, sflow, (s) => new Sflow(s, this.#sflowSource(), clock));
    this.#configureSets(config.collectorSets);
    ofproto.exports = {
      hasCollectorSets: config.collectorSets.size > 0,
      ...(this.#netflow && { netflow: this.#netflow }),
      ...(sflow && {
        sflow: {
          probability: probabilityOf(sflow.sampling),
          ifindex: (port: OfPort) => this.#ifindex(port),
        },
      }),
      ...(config.ipfix && {
        ipfix: {
          probability: probabilityOf(config.ipfix.sampling),
          input: config.ipfix.input,
          output: config.ipfix.output,
        },
      }),
    };
    const isNothing = asksFor === undefined && config.collectorSets.size === 0;
    this.#settings = isNothing ? NOTHING : config;
    this.#agentAddress = agent;
    return true;
  }

  #configureSets(wanted: ExporterConfig['collectorSets']): void {
    for (const [id, ipfix] of this.#sets) {
      if (wanted.has(id)) continue;
      ipfix.close();
      this.#sets.delete(id);
    }
    for (const [id, { settings }] of wanted) {
      const ipfix = adjust(this.#sets.get(id), settings, (s) => new Ipfix(s, this.#env.clock));
      if (ipfix) this.#sets.set(id, ipfix);
    }
  }

  /** Once a second. */
  run(): void {
    this.#netflow?.run();
    this.#sflow?.run();
    this.#ipfix?.run();
    for (const ipfix of this.#sets.values()) ipfix.run();
  }

  close(): void {
    this.#netflow?.close();
    this.#sflow?.close();
    this.#ipfix?.close();
    for (const ipfix of this.#sets.values()) ipfix.close();
    this.#sets.clear();
  }

  /** undefined: there is none. */
  get ipfixBridge(): readonly bigint[] | undefined {
    return this.#ipfix?.counters;
  }

  get ipfixFlow(): readonly { readonly id: number; readonly counters: readonly bigint[] }[] {
    return [...this.#sets]
      .sort(([a], [b]) => a - b)
      .map(([id, { counters }]) => ({ id, counters }));
  }

  /** A packet that was chosen. */
  sample(upcall: Upcall, data: SampleUserdata): void {
    switch (data.kind) {
      case 'sflow':
        this.#sampleSflow(upcall, data);
        return;
      case 'ipfix':
        if (this.#ipfix && this.#settings.ipfix) {
          this.#sampleIpfix(this.#ipfix, this.#settings.ipfix, upcall, data);
        }
        return;
      case 'flow_sample': {
        const set = this.#settings.collectorSets.get(data.collectorSetId);
        const ipfix = this.#sets.get(data.collectorSetId);
        const where = { obsDomainId: data.obsDomainId, obsPointId: data.obsPointId };
        if (set && ipfix) this.#sampleIpfix(ipfix, { ...set, ...where }, upcall, data);
      }
    }
  }

  #sampleSflow({ flow, packet }: Upcall, data: Extract<SampleUserdata, { kind: 'sflow' }>): void {
    const { vlanTci0: tci } = flow;
    const isTagged = (tci & VLAN_CFI) !== 0;
    const port = this.#env.portOf(flow.inPort);
    this.#sflow?.sample({
      frame: packet.data,
      input: port ? this.#ifindex(port) : 0,
      output: data.output,
      srcVlan: isTagged ? tci & VLAN_VID_MASK : 0,
      srcPriority: isTagged ? tci >>> 13 : 0,
      dstVlan: data.vid,
      dstPriority: data.pcp,
    });
  }

  #sampleIpfix(
    ipfix: Ipfix,
    config: Omit<IpfixConfig, 'sampling' | 'input' | 'output'>,
    { flow, packet }: Upcall,
    data: Exclude<SampleUserdata, { kind: 'sflow' }>,
  ): void {
    const { portOf } = this.#env;
    const input = portOf(flow.inPort);
    const output = data.outputPort === NO_PORT ? undefined : portOf(data.outputPort);
    const direction = data.kind === 'ipfix' ? 'default' : data.direction;
    const isEgress =
      direction === 'default'
        ? data.outputPort !== NO_PORT && data.outputPort !== flow.inPort
        : direction === 'egress';
    const tunnel = config.tunnels && input?.tunnel ? tunnelOf(input.tunnel.type, flow) : undefined;
    ipfix.sample(
      config.obsDomainId,
      {
        flow,
        obsPointId: config.obsPointId,
        isEgress,
        input: this.#interface(input),
        output: this.#interface(output),
        tunnel,
        virtualObsId: config.settings.virtualObsId,
      },
      {
        length: packet.data.length,
        isDropped: data.kind === 'ipfix' && data.isDropped,
        tcpFlags: flow.tcpFlags,
      },
    );
  }

  #interface(port: OfPort | undefined): IpfixInterface | undefined {
    return port && { ifindex: this.#ifindex(port), name: port.name };
  }

  /** 0: it has none. */
  #ifindex({ name }: OfPort): number {
    const device = this.#env.device(name);
    return device && device.kind !== DUMMY_KIND ? device.index : 0;
  }

  #sflowSource(): ConstructorParameters<typeof Sflow>[1] {
    const env = this.#env;
    return {
      get datapathId() {
        return env.datapathId();
      },
      ports: () => [...env.ofproto.ports.values()].flatMap((port) => this.#sflowPort(port)),
      datapath: () => env.dpif.stats(),
    };
  }

  #sflowPort(port: OfPort): SflowPort[] {
    const device = this.#env.device(port.name);
    const ifindex = this.#ifindex(port);
    if (!device || ifindex === 0) return [];
    return [
      {
        name: port.name,
        ofport: port.ofport,
        ifindex,
        speed: deviceSpeed(device) ?? 0,
        isUp: device.up,
        hasCarrier: device.carrier,
        stats: this.#env.portStats(port),
      },
    ];
  }

  /** The address that sFlow's datagrams are from: given, of a device, or by the way to a collector. */
  #agent({ agent, targets, localIp }: SflowConfig): string | undefined {
    const [target] = targets;
    let found: string | undefined;
    if (agent?.kind === 'address') found = agent.address;
    else if (agent) found = this.#addressOf(agent.name);
    else if (target) found = this.#env.sourceTowards(target.address);
    found ??= localIp;
    if (found === undefined) {
      log.rl.warn(
        `${this.#env.ofproto.name}: cannot tell the sFlow agent's address; sFlow disabled`,
      );
    }
    return found;
  }

  #addressOf(name: string): string | undefined {
    const device = this.#env.device(name);
    if (!device) return undefined;
    using rtnl = new Rtnl();
    const all = rtnl.addresses(device.index);
    return (all.find((a) => !a.address.includes(':')) ?? all[0])?.address;
  }
}

function adjust<S, E extends { configure(settings: S): void; close(): void; settings: S }>(
  exporter: E | undefined,
  settings: S | undefined,
  make: (settings: S) => E,
): E | undefined {
  if (settings === undefined) {
    exporter?.close();
    return undefined;
  }
  if (!exporter) return make(settings);
  if (!isDeepStrictEqual(exporter.settings, settings)) exporter.configure(settings);
  return exporter;
}

function sflowSettings(config: SflowConfig, agent: string): SflowSettings {
  const { targets, sampling, polling, header } = config;
  return { targets, sampling, polling, header, agent };
}

/** Of 2^32; all ones stand for every packet. */
function probabilityOf(sampling: number): number {
  return Math.min(Math.floor(2 ** 32 / sampling), 0xffff_ffff);
}
