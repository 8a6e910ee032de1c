/** Bridge and Port rows as settings of RSTP (ovs-vswitchd.conf.db(5), "RSTP Configuration"). */
import { vlog } from '@heddle/runtime';
import type { OfPort } from '../ofproto.ts';
import type { BridgeRow } from '../port-config.ts';
import { costOf, numberOf, numberPorts, type TreeMember } from '../spanning-tree/members.ts';
import { bridgeIdOf } from '../spanning-tree/tree.ts';
import { addressOf } from '../stp/config.ts';
import type { RstpPortSettings } from './port.ts';
import type { RstpSettings } from './rstp.ts';

const log = vlog.module('bridge');
const DEFAULT_BRIDGE_PRIORITY = 0x8000;
const BRIDGE_PRIORITY_STEPS = 0xf000;
const DEFAULT_PORT_PRIORITY = 0x80;
const MAX_PORT_PRIORITY = 0xf0;
const PORT_PRIORITY_STEPS = 0xf0;
const MAX_PORT_NUMBER = 4095;
const MAX_PATH_COST = 200_000_000;
const HELLO_TIME = 2;
const DEFAULT_MAX_AGE = 20;
const DEFAULT_FORWARD_DELAY = 15;

/** IEEE 802.1D-2004, table 17-3. */
const COSTS = [
  [10e12, 2],
  [1e12, 20],
  [100e9, 200],
  [10e9, 2000],
  [1e9, 20_000],
  [100e6, 200_000],
  [10e6, 2_000_000],
  [1e6, 20_000_000],
  [0, 200_000_000],
] as const;

export interface RstpConfig {
  readonly settings: RstpSettings;
  readonly ports: ReadonlyMap<OfPort, RstpPortSettings>;
}

/** `bridgeMac` is its identity unless another is set. */
export function rstpConfig(
  row: BridgeRow,
  bridgeMac: number,
  members: readonly TreeMember[],
): RstpConfig {
  const wanted = members.filter((m) => m.row.other_config.get('rstp-enable') !== 'false');
  const numbers = numberPorts(wanted, 'rstp-port-num', MAX_PORT_NUMBER, ({ port }, why) =>
    log.rl.err(`port ${port.name}: ${why}`, port.name),
  );
  const ports = [...numbers].map(
    ([member, number]) => [member.port, portSettings(member, number)] as const,
  );
  return { settings: rstpSettings(row, bridgeMac), ports: new Map(ports) };
}

function portSettings({ row, isUp, speed }: TreeMember, number: number): RstpPortSettings {
  const { other_config: config } = row;
  const isSet = (key: string) => config.get(key) === 'true';
  const priority = inRange(
    config,
    'rstp-port-priority',
    DEFAULT_PORT_PRIORITY,
    0,
    MAX_PORT_PRIORITY,
  );
  return {
    number,
    priority: priority & PORT_PRIORITY_STEPS,
    pathCost: inRange(config, 'rstp-path-cost', costOf(speed, COSTS), 1, MAX_PATH_COST),
    adminEdge: isSet('rstp-port-admin-edge'),
    autoEdge: config.get('rstp-port-auto-edge') !== 'false',
    mcheck: isSet('rstp-port-mcheck'),
    pointToPoint: config.get('rstp-admin-p2p-mac') !== '0',
    isUp,
  };
}

function rstpSettings({ name, other_config: config }: BridgeRow, bridgeMac: number): RstpSettings {
  const priority = Number.parseInt(config.get('rstp-priority') ?? '', 10);
  let forwardDelay = inRange(config, 'rstp-forward-delay', DEFAULT_FORWARD_DELAY, 4, 30);
  let maxAge = inRange(config, 'rstp-max-age', DEFAULT_MAX_AGE, 6, 40);
  // 802.1D-2004, 17.14: two of them that do not go together are none.
  if (2 * (forwardDelay - 1) < maxAge) {
    forwardDelay = DEFAULT_FORWARD_DELAY;
    maxAge = Math.min(maxAge, DEFAULT_MAX_AGE);
  }
  return {
    bridgeId: bridgeIdOf(
      (Number.isInteger(priority) ? priority : DEFAULT_BRIDGE_PRIORITY) & BRIDGE_PRIORITY_STEPS,
      addressOf(name, 'rstp-address', config.get('rstp-address'), bridgeMac),
    ),
    times: { messageAge: 0, maxAge, helloTime: HELLO_TIME, forwardDelay },
    forceProtocolVersion: numberOf(config, 'rstp-force-protocol-version', 2) === 0 ? 0 : 2,
    transmitHoldCount: inRange(config, 'rstp-transmit-hold-count', 6, 1, 10),
  };
}

/** A number out of its range is taken for none. */
function inRange(
  config: ReadonlyMap<string, string>,
  key: string,
  fallback: number,
  min: number,
  max: number,
): number {
  const n = numberOf(config, key, fallback);
  return n >= min && n <= max ? n : fallback;
}
