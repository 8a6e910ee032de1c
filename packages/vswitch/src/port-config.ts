/** Port rows as settings of a bundle (ovs-vswitchd.conf.db(5), table Port). */
import type { IdlRow, vswitchSchema } from '@heddle/ovsdb';
import { ETH_P_8021AD, ETH_P_8021Q, parseMac } from '@heddle/packet';
import { floodingOf } from './mcast-snooping/config.ts';
import type { Bundle, PriorityTags, VlanMode } from './ofproto.ts';

export type Schema = typeof vswitchSchema;
export type OpenVSwitchRow = IdlRow<Schema, 'Open_vSwitch'>;
export type BridgeRow = IdlRow<Schema, 'Bridge'>;
export type PortRow = IdlRow<Schema, 'Port'>;
export type InterfaceRow = IdlRow<Schema, 'Interface'>;

/** Without `vlan_mode`: access when there is a tag, else trunk. */
export function vlanModeOf(port: PortRow): VlanMode {
  return (port.vlan_mode as VlanMode | undefined) ?? (port.tag === undefined ? 'trunk' : 'access');
}

/** Brings a bundle in line with its row; whether anything changed. */
export function configureBundle(bundle: Bundle, port: PortRow): boolean {
  const before = fingerprint(bundle);
  bundle.vlanMode = vlanModeOf(port);
  bundle.vlan = bundle.vlanMode === 'trunk' ? 0 : (port.tag ?? 0);
  bundle.trunks = setOrAll(port.trunks);
  bundle.cvlans = setOrAll(port.cvlans);
  bundle.qinqEthtype = qinqEthtype(port.other_config.get('qinq-ethtype'));
  bundle.priorityTags = priorityTags(port.other_config.get('priority-tags'));
  bundle.isProtected = port.protected;
  bundle.mac = parseMac(port.mac ?? '');
  bundle.mcastFlooding = floodingOf(port);
  return fingerprint(bundle) !== before;
}

function setOrAll(vlans: readonly number[]): ReadonlySet<number> | undefined {
  return vlans.length === 0 ? undefined : new Set(vlans);
}

function qinqEthtype(text: string | undefined): number {
  return text === '802.1q' ? ETH_P_8021Q : ETH_P_8021AD;
}

function priorityTags(text: string | undefined): PriorityTags {
  if (text === 'true' || text === 'if-nonzero') return 'if-nonzero';
  return text === 'always' ? 'always' : 'never';
}

function fingerprint(b: Bundle): string {
  const sets = [b.trunks, b.cvlans].map((s) => (s ? [...s].join(',') : '*'));
  return [
    b.vlanMode,
    b.vlan,
    ...sets,
    b.qinqEthtype,
    b.priorityTags,
    b.isProtected,
    b.mcastFlooding.data,
    b.mcastFlooding.reports,
  ].join(';');
}
