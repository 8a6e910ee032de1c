/** Mirror rows as settings, and their counters back (ovs-vswitchd.conf.db(5), table Mirror). */
import type { Idl, IdlRow } from '@heddle/ovsdb';
import { vlog } from '@heddle/runtime';
import { guarded } from './guarded.ts';
import type { MirrorSettings } from './mirror.ts';
import type { Bundle, Ofproto } from './ofproto.ts';
import type { BridgeRow, Schema } from './port-config.ts';

const log = vlog.module('bridge');

export function mirrorSettings(
  idl: Idl<Schema>,
  bridge: Ofproto,
  row: BridgeRow,
): MirrorSettings[] {
  const rows = row.mirrors.flatMap((uuid) => idl.get('Mirror', uuid) ?? []);
  return rows.flatMap((mirror) => {
    const part = { of: `bridge ${bridge.name}`, feature: `mirror ${mirror.name}` };
    return guarded(part, undefined, () => settingsOf(idl, bridge, mirror)) ?? [];
  });
}

function settingsOf(
  idl: Idl<Schema>,
  bridge: Ofproto,
  row: IdlRow<Schema, 'Mirror'>,
): MirrorSettings | undefined {
  const bundles = (uuids: readonly string[]): Bundle[] =>
    uuids.flatMap((uuid) => bridge.bundles.get(idl.get('Port', uuid)?.name ?? '') ?? []);
  const [port] = row.output_port === undefined ? [] : bundles([row.output_port]);
  const where = `bridge ${bridge.name}: mirror ${row.name}`;
  if (port && row.output_vlan !== undefined) {
    log.rl.err(`${where} specifies both output port and output vlan; ignoring output vlan`, where);
  }
  const out = port ?? row.output_vlan;
  if (out === undefined) {
    log.rl.err(`${where} does not specify output; ignoring`, where);
    return undefined;
  }
  return {
    name: row.name,
    all: row.select_all,
    sources: new Set(bundles(row.select_src_port)),
    destinations: new Set(bundles(row.select_dst_port)),
    vlans: row.select_vlan.length === 0 ? undefined : new Set(row.select_vlan),
    out,
    snaplen: row.snaplen ?? 0,
  };
}

/** Writes what each mirror has sent. */
export function writeMirrorStatistics(
  txn: ReturnType<Idl<Schema>['txn']>,
  idl: Idl<Schema>,
  bridge: Ofproto,
  row: BridgeRow,
): void {
  for (const uuid of row.mirrors) {
    const found = idl.get('Mirror', uuid);
    const mirror = bridge.mirrors.find((m) => m.settings.name === found?.name);
    if (!found || !mirror) continue;
    const { packets, bytes } = mirror.stats;
    const statistics = new Map([
      ['tx_bytes', bytes],
      ['tx_packets', packets],
    ]);
    txn.update('Mirror', uuid, { statistics });
  }
}
