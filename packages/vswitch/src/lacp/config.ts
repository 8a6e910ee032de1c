/** Port and Interface rows as settings (ovs-vswitchd.conf.db(5), "LACP Configuration"). */
import { parseMac } from '@heddle/packet';
import type { Bundle } from '../ofproto.ts';
import type { InterfaceRow, PortRow } from '../port-config.ts';
import { Lacp, type LacpSettings } from './lacp.ts';

const MAX_U16 = 65_535;

function u16(config: ReadonlyMap<string, string>, key: string, fallback: number): number {
  const n = Number.parseInt(config.get(key) ?? '', 10);
  return Number.isInteger(n) && n > 0 && n <= MAX_U16 ? n : fallback;
}

/** Gives a bundle LACP, or takes it away; `bridgeMac` is its identity unless another is set. */
export function configureLacp(
  bundle: Bundle,
  port: PortRow,
  rowOf: (name: string) => InterfaceRow | undefined,
  bridgeMac: number,
  nowMs: number,
): void {
  if (port.lacp !== 'active' && port.lacp !== 'passive') {
    bundle.lacp = undefined;
    if (bundle.bond) bundle.bond.lacp = undefined;
    return;
  }
  const config = port.other_config;
  const isBond = bundle.ports.length > 1;
  const settings: LacpSettings = {
    active: port.lacp === 'active',
    fast: config.get('lacp-time') === 'fast',
    sysId: parseMac(config.get('lacp-system-id') ?? '') || bridgeMac,
    sysPriority: u16(config, 'lacp-system-priority', isBond ? MAX_U16 - 1 : MAX_U16),
  };
  bundle.lacp ??= new Lacp(bundle.name, settings);
  bundle.lacp.settings = settings;
  if (bundle.bond) bundle.bond.lacp = bundle.lacp;
  const key = Math.min(...bundle.ports.map((p) => p.ofport));
  const members = bundle.ports.map((p) => {
    const own = rowOf(p.name)?.other_config ?? new Map<string, string>();
    const member = {
      portId: u16(own, 'lacp-port-id', p.ofport),
      portPriority: u16(own, 'lacp-port-priority', MAX_U16),
      key: u16(own, 'lacp-aggregation-key', key),
    };
    return [p, member] as const;
  });
  bundle.lacp.setMembers(new Map(members), nowMs);
}
