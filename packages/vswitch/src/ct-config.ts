/** Conntrack zones of a datapath in the database, and what it can do (table Datapath). */
import type { Idl } from '@heddle/ovsdb';
import type { Backer } from './backer.ts';
import type { CtConfig, CtZoneConfig } from './ct-zones.ts';
import type { OpenVSwitchRow, Schema } from './port-config.ts';

function datapathRow(idl: Idl<Schema>, root: OpenVSwitchRow, type: string) {
  const uuid = root.datapaths.get(type);
  return uuid === undefined ? undefined : idl.get('Datapath', uuid);
}

/** Of the datapath of a type, `system` or `netdev`. */
export function ctConfigOf(idl: Idl<Schema>, root: OpenVSwitchRow, type: string): CtConfig {
  const row = datapathRow(idl, root, type);
  const zones = new Map<number, CtZoneConfig>();
  for (const [zone, uuid] of row?.ct_zones ?? []) {
    const found = idl.get('CT_Zone', uuid);
    const policy = found?.timeout_policy;
    const timeouts =
      policy === undefined ? undefined : idl.get('CT_Timeout_Policy', policy)?.timeouts;
    zones.set(zone, { timeouts, limit: found?.limit });
  }
  return { zones, defaultLimit: row?.ct_zone_default_limit };
}

export function writeCapabilities(
  txn: ReturnType<Idl<Schema>['txn']>,
  idl: Idl<Schema>,
  root: OpenVSwitchRow,
  backers: Iterable<Backer>,
): void {
  for (const { dpif, features } of backers) {
    const row = datapathRow(idl, root, dpif.type);
    if (row) txn.update('Datapath', row._uuid, { capabilities: features.capabilities() });
  }
}
