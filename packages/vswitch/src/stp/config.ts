/** Bridge and Port rows as settings of STP (ovs-vswitchd.conf.db(5), "STP Configuration"). */
import { formatMac, parseMac } from '@heddle/packet';
import { vlog } from '@heddle/runtime';
import type { OfPort } from '../ofproto.ts';
import type { BridgeRow } from '../port-config.ts';
import { clamp, costOf, numberOf, numberPorts, type TreeMember } from '../spanning-tree/members.ts';
import { bridgeIdOf } from '../spanning-tree/tree.ts';
import type { StpSettings } from './stp.ts';
import type { StpPortSettings } from './stp-port.ts';

const log = vlog.module('bridge');
const DEFAULT_BRIDGE_PRIORITY = 0x8000;
const DEFAULT_PORT_PRIORITY = 0x80;
const MAX_PORT_NUMBER = 255;

/** IEEE 802.1D-1998, table 8-5, and 10 Gb/s. */
const COSTS = [
  [10e9, 2],
  [1e9, 4],
  [100e6, 19],
  [16e6, 62],
  [10e6, 100],
  [4e6, 250],
] as const;

export interface StpConfig {
  readonly settings: StpSettings;
  readonly ports: ReadonlyMap<OfPort, StpPortSettings>;
}

/** undefined: what is set rules it out. `bridgeMac` is its identity unless another is set. */
export function stpConfig(
  row: BridgeRow,
  bridgeMac: number,
  members: readonly TreeMember[],
): StpConfig | undefined {
  const wanted = members.filter((m) => m.row.other_config.get('stp-enable') !== 'false');
  const given = wanted.filter((m) => m.row.other_config.has('stp-port-num'));
  if (given.length > 0 && given.length < wanted.length) {
    log.rl.err(
      `bridge ${row.name}: must manually configure all STP port IDs or none, disabling`,
      row.name,
    );
    return undefined;
  }
  const numbers = numberPorts(wanted, 'stp-port-num', MAX_PORT_NUMBER, ({ port }, why) =>
    log.rl.err(`port ${port.name}: ${why}`, port.name),
  );
  const ports = [...numbers].map(([{ port, row, isUp, speed }, number]) => {
    const { other_config: config } = row;
    const settings: StpPortSettings = {
      number,
      priority: numberOf(config, 'stp-port-priority', DEFAULT_PORT_PRIORITY) & 0xff,
      pathCost: numberOf(config, 'stp-path-cost', costOf(speed, COSTS)) & 0xffff,
      isUp,
    };
    return [port, settings] as const;
  });
  return { settings: stpSettings(row, bridgeMac), ports: new Map(ports) };
}

function stpSettings({ name, other_config: config }: BridgeRow, bridgeMac: number): StpSettings {
  const priority = Number.parseInt(config.get('stp-priority') ?? '', 10);
  const hello = clamp(numberOf(config, 'stp-hello-time', 2), 1, 10);
  // What each may be depends on the one before (802.1D-1998, 8.10.2).
  const maxAge = clamp(Math.max(numberOf(config, 'stp-max-age', 20), 2 * (hello + 1)), 6, 40);
  const delay = Math.max(numberOf(config, 'stp-forward-delay', 15), Math.ceil(maxAge / 2) + 1);
  return {
    bridgeId: bridgeIdOf(
      (Number.isInteger(priority) ? priority : DEFAULT_BRIDGE_PRIORITY) & 0xffff,
      addressOf(name, 'stp-system-id', config.get('stp-system-id'), bridgeMac),
    ),
    helloTimeMs: hello * 1000,
    maxAgeMs: maxAge * 1000,
    forwardDelayMs: clamp(delay, 4, 30) * 1000,
  };
}

/** The address that is set, or the bridge's when it is none. */
export function addressOf(
  bridge: string,
  key: string,
  text: string | undefined,
  bridgeMac: number,
): number {
  if (text === undefined) return bridgeMac;
  const address = parseMac(text);
  if (address !== undefined) return address;
  log.rl.err(`bridge ${bridge}: invalid ${key}, defaulting to ${formatMac(bridgeMac)}`, bridge);
  return bridgeMac;
}
