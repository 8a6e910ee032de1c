/** Conntrack zones and capabilities of datapaths. */
import { type Datum, datumEquals, findKey } from '@heddle/ovsdb/notation/index';
import type { Command, Invocation, Preparation } from '../command.ts';
import { VsctlError } from '../errors.ts';
import { merge, without } from '../row.ts';
import type { Row } from '../store.ts';
import { leadingInteger } from '../text.ts';

function prepareZones({ want }: Preparation): void {
  want('Open_vSwitch', ['datapaths']);
  want('Datapath', ['ct_zones', 'capabilities']);
  want('CT_Zone', ['limit', 'timeout_policy']);
  want('CT_Timeout_Policy', ['timeouts']);
}

export function findDatapath({ model, store }: Invocation, name: string): Row | undefined {
  const datum = model.root.get('datapaths');
  const at = findKey(datum, name);
  return at < 0 ? undefined : store.target('Datapath', String(datum.values![at]));
}

function datapathToChange(cmd: Invocation): Row {
  const datapath = findDatapath(cmd, cmd.args[0]!);
  if (!datapath) throw new VsctlError(`datapath ${cmd.args[0]} does not exist`);
  return datapath;
}

function zoneOf(text: string): number {
  const number = /^zone=\s*([-+]?\d+)/.exec(text)?.[1];
  if (number === undefined) throw new VsctlError(`${text}: expected zone=ZONE_ID`);
  return Number(number);
}

function add(cmd: Invocation): void {
  const datapath = datapathToChange(cmd);
  const zone = zoneOf(cmd.args[1]!);
  const zones = datapath.get('ct_zones');
  const at = findKey(zones, zone);
  const known = at < 0 ? undefined : cmd.store.target('CT_Zone', String(zones.values![at]));
  if (at >= 0 && !cmd.has('may-exist') && !isLimitOnly(known)) {
    throw new VsctlError(`zone id ${zone} already exists`);
  }
  const policy = timeoutPolicy(cmd, cmd.args.slice(2));
  const row = known ?? cmd.store.insert('CT_Zone');
  row.set('timeout_policy', { keys: [policy.uuid] });
  if (known) return;
  datapath.verify('ct_zones');
  datapath.set('ct_zones', merge(zones, { keys: [zone], values: [row.uuid] }));
}

function isLimitOnly(zone: Row | undefined): boolean {
  if (!zone || zone.get('limit').keys.length === 0) return false;
  return zone.get('timeout_policy').keys.length === 0;
}

/** One that has these timeouts already serves another zone, too. */
function timeoutPolicy({ store }: Invocation, words: readonly string[]): Row {
  let timeouts: Datum = { keys: [], values: [] };
  for (const text of words) {
    const [name = '', value = ''] = text.split('=');
    if (findKey(timeouts, name) >= 0) continue;
    timeouts = merge(timeouts, { keys: [name], values: [leadingInteger(value)] });
  }
  const known = store
    .all('CT_Timeout_Policy')
    .find((row) => datumEquals(row.get('timeouts'), timeouts));
  if (known) return known;
  const row = store.insert('CT_Timeout_Policy');
  row.set('timeouts', timeouts);
  return row;
}

function del(cmd: Invocation): void {
  const datapath = datapathToChange(cmd);
  const zone = zoneOf(cmd.args[1]!);
  const zones = datapath.get('ct_zones');
  const at = findKey(zones, zone);
  if (at < 0) {
    if (cmd.has('if-exists')) return;
    throw new VsctlError(`zone id ${zone} does not exist`);
  }
  const row = cmd.store.target('CT_Zone', String(zones.values![at]));
  if (row && row.get('limit').keys.length > 0) {
    row.set('timeout_policy', { keys: [] });
    return;
  }
  datapath.verify('ct_zones');
  datapath.set('ct_zones', without(zones, [zone]));
}

function list(cmd: Invocation): void {
  const datapath = findDatapath(cmd, cmd.args[0]!);
  if (!datapath) throw new VsctlError(`datapath: ${cmd.args[0]} record not found`);
  const { keys, values } = datapath.get('ct_zones');
  keys.forEach((zone, i) => {
    const row = cmd.store.target('CT_Zone', String(values![i]));
    const policy = row && cmd.store.refs(row, 'timeout_policy')[0];
    cmd.print(
      `Zone:${zone}, Timeout Policies:${policy ? timeoutWords(policy) : ' system default'}\n`,
    );
  });
}

function timeoutWords(policy: Row): string {
  const { keys, values } = policy.get('timeouts');
  return keys.map((name, i) => ` ${name}=${values![i]}`).join('');
}

function listCapabilities(cmd: Invocation): void {
  const datapath = findDatapath(cmd, cmd.args[0]!);
  if (!datapath) throw new VsctlError(`datapath "${cmd.args[0]}" record not found`);
  const { keys, values } = datapath.get('capabilities');
  cmd.print(`${keys.map((name, i) => `${name}=${values![i]}`).join(' ')}\n`);
}

export const ZONE_COMMANDS: readonly Command[] = [
  {
    name: 'add-zone-tp',
    args: '',
    min: 3,
    max: Infinity,
    options: ['may-exist'],
    writes: true,
    prepare: prepareZones,
    run: add,
  },
  {
    name: 'del-zone-tp',
    args: '',
    min: 2,
    max: 2,
    options: ['if-exists'],
    writes: true,
    prepare: prepareZones,
    run: del,
  },
  {
    name: 'list-zone-tp',
    args: '',
    min: 1,
    max: 1,
    writes: false,
    prepare: prepareZones,
    run: list,
  },
  {
    name: 'list-dp-cap',
    args: '',
    min: 1,
    max: 1,
    writes: false,
    prepare: prepareZones,
    run: listCapabilities,
  },
];
