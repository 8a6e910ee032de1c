/** Auto-Attach mappings of I-SIDs to VLANs (ovs-vsctl(8), "Auto-Attach Commands"). */
import { findKey } from '@heddle/ovsdb/notation/index';
import type { Command, Invocation, Preparation } from '../command.ts';
import { VsctlError } from '../errors.ts';
import { merge, without } from '../row.ts';
import type { Row } from '../store.ts';
import { leadingInteger } from '../text.ts';
import { prepareModel } from './bridge.ts';

function prepareMappings(preparation: Preparation): void {
  prepareModel(preparation);
  preparation.want('Bridge', ['auto_attach']);
  preparation.want('AutoAttach', ['mappings']);
}

/** An I-SID or a VLAN; the server tells whether it is in range. */
function number(text: string): number {
  if (!/^\s*[-+]?\d/.test(text)) throw new VsctlError(`Invalid argument ${text}`);
  return leadingInteger(text);
}

function current({ model, store, args }: Invocation): { bridge: Row; row: Row | undefined } {
  const bridge = model.bridge(args[0]!).row;
  return { bridge, row: store.refs(bridge, 'auto_attach')[0] };
}

function add(cmd: Invocation): void {
  const pair = { keys: [number(cmd.args[1]!)], values: [number(cmd.args[2]!)] };
  const { bridge, row: known } = current(cmd);
  const row = known ?? cmd.store.insert('AutoAttach');
  if (!known) bridge.set('auto_attach', { keys: [row.uuid] });
  const mappings = row.get('mappings');
  if (findKey(mappings, pair.keys[0]!) < 0) row.set('mappings', merge(mappings, pair));
}

function del(cmd: Invocation): void {
  const [isid, vlan] = [number(cmd.args[1]!), number(cmd.args[2]!)];
  const { row } = current(cmd);
  if (!row) return;
  const mappings = row.get('mappings');
  const at = findKey(mappings, isid);
  if (at >= 0 && mappings.values![at] === vlan) row.set('mappings', without(mappings, [isid]));
}

function get(cmd: Invocation): void {
  const { keys, values } = current(cmd).row?.get('mappings') ?? { keys: [], values: [] };
  cmd.print(keys.map((isid, i) => `${isid} ${values![i]}\n`).join(''));
}

export const AUTO_ATTACH_COMMANDS: readonly Command[] = [
  {
    name: 'add-aa-mapping',
    args: '!BRIDGE !ARG !ARG',
    writes: true,
    prepare: prepareMappings,
    run: add,
  },
  {
    name: 'del-aa-mapping',
    args: '!BRIDGE !ARG !ARG',
    writes: true,
    prepare: prepareMappings,
    run: del,
  },
  { name: 'get-aa-mapping', args: '!BRIDGE', writes: false, prepare: prepareMappings, run: get },
];
