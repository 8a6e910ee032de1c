/** Port rows as settings of bonds (ovs-vswitchd.conf.db(5), "Bonding Configuration"). */
import type { Bundle, OfPort } from '../ofproto.ts';
import type { PortRow } from '../port-config.ts';
import { Bond, type BondMode, type BondSettings } from './bond.ts';

const REBALANCE_MS = 10_000;
const MIN_REBALANCE_MS = 1000;
const MIIMON_MS = 200;
const MIN_MIIMON_MS = 100;

function settingsOf(port: PortRow): BondSettings {
  const config = port.other_config;
  const integer = (key: string, fallback: number): number => {
    const n = Number.parseInt(config.get(key) ?? '', 10);
    return Number.isInteger(n) && n >= 0 ? n : fallback;
  };
  const rebalanceMs = integer('bond-rebalance-interval', REBALANCE_MS);
  const allActive = config.get('all-members-active') ?? config.get('all-slaves-active');
  return {
    mode: (port.bond_mode as BondMode | undefined) ?? 'active-backup',
    upDelayMs: Math.max(port.bond_updelay, 0),
    downDelayMs: Math.max(port.bond_downdelay, 0),
    hashBasis: integer('bond-hash-basis', 0),
    rebalanceMs: rebalanceMs === 0 ? 0 : Math.max(rebalanceMs, MIN_REBALANCE_MS),
    allMembersActive: allActive === 'true',
    primary: config.get('bond-primary'),
    wantsLacp: port.lacp === 'active' || port.lacp === 'passive',
    miimonMs:
      config.get('bond-detect-mode') === 'miimon'
        ? Math.max(integer('bond-miimon-interval', MIIMON_MS), MIN_MIIMON_MS)
        : 0,
    fallsBack: config.get('lacp-fallback-ab') === 'true',
  };
}

/**
 * Makes a bundle of several ports a bond, or one of a single port none; whether anything changed.
 * A new bond goes on with the member whose address its row names (`bond_active_slave`).
 */
export function configureBond(
  bundle: Bundle,
  port: PortRow,
  macOf: (port: OfPort) => string | undefined,
  nowMs: number,
): boolean {
  if (port.interfaces.length < 2) {
    const was = bundle.bond !== undefined;
    bundle.bond = undefined;
    return was;
  }
  const settings = settingsOf(port);
  bundle.bond ??= new Bond(bundle.name, settings, lastActive(bundle, port, macOf));
  const changed = JSON.stringify(bundle.bond.settings) !== JSON.stringify(settings);
  bundle.bond.settings = settings;
  bundle.bond.setPorts(bundle.ports);
  return bundle.bond.run(nowMs) || changed;
}

function lastActive(
  bundle: Bundle,
  { bond_active_slave: mac }: PortRow,
  macOf: (port: OfPort) => string | undefined,
): OfPort | undefined {
  return mac === undefined ? undefined : bundle.ports.find((port) => macOf(port) === mac);
}
