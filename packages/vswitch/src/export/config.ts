/** Rows of NetFlow, sFlow, IPFIX and Flow_Sample_Collector_Set as settings (ovs-vswitchd.conf.db(5)). */
import { isIP } from 'node:net';
import type { Idl } from '@heddle/ovsdb';
import { vlog } from '@heddle/runtime';
import type { BridgeRow, Schema } from '../port-config.ts';
import { parseTarget, type Target } from './collectors.ts';
import type { IpfixSettings } from './ipfix.ts';
import type { NetFlowSettings } from './netflow.ts';
import type { SflowSettings } from './sflow.ts';

const log = vlog.module('bridge');

const SFLOW_PORT = 6343;
const IPFIX_PORT = 4739;
const NETFLOW_ACTIVE_S = 600;
const SFLOW_DEFAULTS = { sampling: 400, polling: 30, header: 128 };
const MAX_SFLOW_HEADER = 1024;
const IPFIX_SAMPLING = 400;
const IPFIX_INTERVAL_S = 600;

export interface SflowConfig extends Omit<SflowSettings, 'agent'> {
  readonly agent:
    | { readonly kind: 'address'; readonly address: string }
    | { readonly kind: 'device'; readonly name: string }
    | undefined;
  /** Of a controller: what the address is when nothing else tells. */
  readonly localIp: string | undefined;
}

export interface IpfixConfig {
  readonly settings: IpfixSettings;
  readonly obsDomainId: number;
  readonly obsPointId: number;
  readonly tunnels: boolean;
  readonly sampling: number;
  readonly input: boolean;
  readonly output: boolean;
}

export interface ExporterConfig {
  readonly netflow?: NetFlowSettings;
  readonly sflow?: SflowConfig;
  readonly ipfix?: IpfixConfig;
  readonly collectorSets: ReadonlyMap<number, IpfixConfig>;
}

/** `index` stands for the bridge where a NetFlow engine has no id. */
export function exporterConfig(idl: Idl<Schema>, row: BridgeRow, index: number): ExporterConfig {
  const netflow = netflowSettings(idl, row, index);
  const sflow = sflowSettings(idl, row);
  const ipfix = row.ipfix === undefined ? undefined : ipfixConfig(idl, row.name, row.ipfix);
  const collectorSets = new Map<number, IpfixConfig>();
  for (const set of idl.rows('Flow_Sample_Collector_Set')) {
    if (set.bridge !== row._uuid || set.ipfix === undefined) continue;
    const config = ipfixConfig(idl, row.name, set.ipfix);
    if (config) collectorSets.set(set.id, config);
  }
  return {
    ...(netflow && { netflow }),
    ...(sflow && { sflow }),
    ...(ipfix && { ipfix }),
    collectorSets,
  };
}

function netflowSettings(
  idl: Idl<Schema>,
  bridge: BridgeRow,
  index: number,
): NetFlowSettings | undefined {
  const row = bridge.netflow === undefined ? undefined : idl.get('NetFlow', bridge.netflow);
  if (!row) return undefined;
  const engineId = row.engine_id ?? index & 0xff;
  if (row.add_id_to_interface && engineId > 0x7f) {
    log.rl.warn(
      `bridge ${bridge.name}: NetFlow port mangling may conflict with another vswitch, ` +
        'choose an engine id less than 128',
    );
  }
  if (row.add_id_to_interface && bridge.ports.length > 508) {
    log.rl.warn(
      `bridge ${bridge.name}: NetFlow port mangling will conflict with another port ` +
        'when more than 508 ports are used',
    );
  }
  const seconds = row.active_timeout === 0 ? NETFLOW_ACTIVE_S : row.active_timeout;
  return {
    targets: targetsOf(row.targets, undefined, `bridge ${bridge.name}: NetFlow`),
    engineType: row.engine_type ?? index & 0xff,
    engineId,
    activeTimeoutMs: seconds < 0 ? -1 : seconds * 1000,
    addIdToInterface: row.add_id_to_interface,
  };
}

function sflowSettings(idl: Idl<Schema>, bridge: BridgeRow): SflowConfig | undefined {
  const row = bridge.sflow === undefined ? undefined : idl.get('sFlow', bridge.sflow);
  if (!row) return undefined;
  const positive = (n: number | undefined, fallback: number): number =>
    n === undefined || n < 1 ? fallback : n;
  const agent =
    row.agent === undefined || row.agent === ''
      ? undefined
      : isIP(row.agent) === 0
        ? { kind: 'device' as const, name: row.agent }
        : { kind: 'address' as const, address: row.agent };
  const controllers = bridge.controller.flatMap((uuid) => idl.get('Controller', uuid) ?? []);
  return {
    targets: targetsOf(row.targets, SFLOW_PORT, `bridge ${bridge.name}: sFlow`),
    agent,
    localIp: controllers.find((c) => c.local_ip !== undefined)?.local_ip,
    sampling: Math.min(positive(row.sampling, SFLOW_DEFAULTS.sampling), 0xffff_ffff),
    polling: positive(row.polling, SFLOW_DEFAULTS.polling),
    header: Math.min(positive(row.header, SFLOW_DEFAULTS.header), MAX_SFLOW_HEADER),
  };
}

function ipfixConfig(idl: Idl<Schema>, bridge: string, uuid: string): IpfixConfig | undefined {
  const row = idl.get('IPFIX', uuid);
  if (!row) return undefined;
  const isOn = (key: string): boolean => row.other_config.get(key) !== 'false';
  return {
    settings: {
      targets: targetsOf(row.targets, IPFIX_PORT, `bridge ${bridge}: IPFIX`),
      activeTimeoutMs: (row.cache_active_timeout ?? 0) * 1000,
      maxFlows: row.cache_max_flows ?? 0,
      templateIntervalMs: (row.template_interval ?? IPFIX_INTERVAL_S) * 1000,
      statsIntervalMs: (row.stats_interval ?? IPFIX_INTERVAL_S) * 1000,
      virtualObsId: row.other_config.get('virtual_obs_id'),
    },
    obsDomainId: row.obs_domain_id ?? 0,
    obsPointId: row.obs_point_id ?? 0,
    tunnels: isOn('enable-tunnel-sampling'),
    sampling: row.sampling ?? IPFIX_SAMPLING,
    input: isOn('enable-input-sampling'),
    output: isOn('enable-output-sampling'),
  };
}

function targetsOf(
  texts: readonly string[],
  defaultPort: number | undefined,
  where: string,
): Target[] {
  return [...texts].sort().flatMap((text) => {
    const target = parseTarget(text, defaultPort);
    if (!target) log.rl.warn(`${where}: ${text}: not a collector's address (ip:port)`, text);
    return target ?? [];
  });
}
