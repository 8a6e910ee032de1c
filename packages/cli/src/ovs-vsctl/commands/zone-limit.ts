/** Limits of connections in conntrack zones, of later releases than the distribution's. */
import { findKey } from '@heddle/ovsdb/notation/index';
import type { Command, Invocation, Preparation } from '../command.ts';
import { VsctlError } from '../errors.ts';
import { merge, without } from '../row.ts';
import type { Row } from '../store.ts';
import { findDatapath } from './zone.ts';

const MAX_LIMIT = 2 ** 32 - 1;
const MAX_ZONE = 65535;
const NONE = { keys: [] };

function prepareLimits({ want }: Preparation): void {
  want('Open_vSwitch', ['datapaths']);
  want('Datapath', ['ct_zones', 'ct_zone_default_limit']);
  want('CT_Zone', ['limit', 'timeout_policy']);
}

function datapathOf(cmd: Invocation): Row {
  const datapath = findDatapath(cmd, cmd.args[0]!);
  if (!datapath) throw new VsctlError(`datapath ${cmd.args[0]} does not exist`);
  if (cmd.store.isLacking('CT_Zone', 'limit')) {
    throw new VsctlError('the database has no limits of conntrack zones');
  }
  return datapath;
}

/** `zone=ID`, `ID` or `default`. */
function zoneOf(text: string): number | 'default' {
  const word = text.replace(/^zone=/, '');
  if (word === 'default') return word;
  if (!/^\d+$/.test(word) || Number(word) > MAX_ZONE) {
    throw new VsctlError(`${text}: expected zone=ZONE_ID or default`);
  }
  return Number(word);
}

function limitOf(text: string): number {
  const word = text.replace(/^limit=/, '');
  if (!/^\d+$/.test(word) || Number(word) > MAX_LIMIT) {
    throw new VsctlError(`${text}: a limit is a number from 0 to ${MAX_LIMIT}`);
  }
  return Number(word);
}

function set(cmd: Invocation): void {
  const datapath = datapathOf(cmd);
  const zone = zoneOf(cmd.args[1]!);
  const limit = { keys: [limitOf(cmd.args[2]!)] };
  if (zone === 'default') {
    datapath.set('ct_zone_default_limit', limit);
    return;
  }
  const zones = datapath.get('ct_zones');
  const at = findKey(zones, zone);
  const known = at < 0 ? undefined : cmd.store.target('CT_Zone', String(zones.values![at]));
  const row = known ?? cmd.store.insert('CT_Zone');
  row.set('limit', limit);
  if (known) return;
  datapath.verify('ct_zones');
  datapath.set('ct_zones', merge(zones, { keys: [zone], values: [row.uuid] }));
}

function del(cmd: Invocation): void {
  const datapath = datapathOf(cmd);
  const zone = zoneOf(cmd.args[1]!);
  const zones = datapath.get('ct_zones');
  const at = zone === 'default' ? -1 : findKey(zones, zone);
  const column = zone === 'default' ? 'ct_zone_default_limit' : 'limit';
  const row =
    zone === 'default'
      ? datapath
      : at < 0
        ? undefined
        : cmd.store.target('CT_Zone', String(zones.values![at]));
  if (!row || row.get(column).keys.length === 0) {
    if (cmd.has('if-exists')) return;
    throw new VsctlError(
      zone === 'default' ? 'there is no default limit' : `zone id ${zone} has no limit`,
    );
  }
  row.set(column, NONE);
  if (zone === 'default' || row.get('timeout_policy').keys.length > 0) return;
  datapath.verify('ct_zones');
  datapath.set('ct_zones', without(zones, [zone]));
}

function list(cmd: Invocation): void {
  const datapath = datapathOf(cmd);
  const [byDefault] = datapath.get('ct_zone_default_limit').keys;
  if (byDefault !== undefined) cmd.print(`Default limit: ${byDefault}\n`);
  const { keys, values } = datapath.get('ct_zones');
  keys.forEach((zone, i) => {
    const [limit] = cmd.store.target('CT_Zone', String(values![i]))?.get('limit').keys ?? [];
    if (limit !== undefined) cmd.print(`Zone: ${zone}, Limit: ${limit}\n`);
  });
}

export const ZONE_LIMIT_COMMANDS: readonly Command[] = [
  {
    name: 'set-zone-limit',
    args: '',
    min: 3,
    max: 3,
    writes: true,
    prepare: prepareLimits,
    run: set,
  },
  {
    name: 'del-zone-limit',
    args: '',
    min: 2,
    max: 2,
    options: ['if-exists'],
    writes: true,
    prepare: prepareLimits,
    run: del,
  },
  {
    name: 'list-zone-limits',
    args: '',
    min: 1,
    max: 1,
    writes: false,
    prepare: prepareLimits,
    run: list,
  },
];
