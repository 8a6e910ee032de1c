/** Edits of a switch as a command line, and as what it would do, which can be taken back at once. */
import {
  formatActions,
  formatMatch,
  type Match,
  type OfpAct,
  parseFlowMod,
} from '@heddle/openflow';
import { realClock } from '@heddle/runtime';
import { MacLearning } from '../mac-learning.ts';
import { FlowChanges } from '../ofproto/flow-changes.ts';
import { applyFlowMod } from '../ofproto/flow-mod.ts';
import type { Rule } from '../ofproto/rule.ts';
import type { Bundle, OfPort, Ofproto } from '../ofproto.ts';

export interface Edit {
  readonly command: string;
  /** Does it to the tables that translation reads; the result takes it back. */
  readonly apply: (nowMs: number) => () => void;
  /** MTUs that devices would have. */
  readonly mtus?: ReadonlyMap<string, number>;
}

const OF13 = 4;

export interface FlowText {
  readonly table: number;
  readonly priority: number;
  readonly match: Match;
}

function flowText({ table, priority, match }: FlowText): string {
  const text = formatMatch(match);
  const words = [`table=${table}`, `priority=${priority}`, ...(text === '' ? [] : [text])];
  return words.join(',');
}

function flowEdit(
  bridge: Ofproto,
  command: 'add' | 'modify_strict' | 'delete_strict',
  text: string,
  match: Match,
): Edit['apply'] {
  return (nowMs) => {
    const flowMod = { ...parseFlowMod(text, command).flowMod, match };
    const changes = new FlowChanges(bridge);
    try {
      applyFlowMod(changes, flowMod, nowMs, OF13);
    } catch (error) {
      changes.revert();
      throw error;
    }
    return () => changes.revert();
  };
}

export function addFlow(bridge: Ofproto, flow: FlowText, actions: readonly OfpAct[]): Edit {
  const text = `${flowText(flow)},actions=${formatActions(actions) || 'drop'}`;
  return {
    command: `ovs-ofctl add-flow ${bridge.name} '${text}'`,
    apply: flowEdit(bridge, 'add', text, flow.match),
  };
}

export function deleteFlow(bridge: Ofproto, rule: Rule): Edit {
  const text = flowText({ table: rule.tableId, priority: rule.priority, match: rule.match });
  return {
    command: `ovs-ofctl --strict del-flows ${bridge.name} '${text}'`,
    apply: flowEdit(bridge, 'delete_strict', text, rule.match),
  };
}

export function changeFlow(bridge: Ofproto, rule: Rule, actions: readonly OfpAct[]): Edit {
  const flow = flowText({ table: rule.tableId, priority: rule.priority, match: rule.match });
  const text = `${flow},actions=${formatActions(actions)}`;
  return {
    command: `ovs-ofctl --strict mod-flows ${bridge.name} '${text}'`,
    apply: flowEdit(bridge, 'modify_strict', text, rule.match),
  };
}

/** Sets properties, as a command would. */
export function setting<T extends object>(command: string, object: T, values: Partial<T>): Edit {
  return {
    command,
    apply: () => {
      const before: Partial<T> = {};
      for (const key of Object.keys(values) as (keyof T)[]) before[key] = object[key];
      Object.assign(object, values);
      return () => void Object.assign(object, before);
    },
  };
}

export function setPort(bundle: Bundle, words: string, values: Partial<Bundle>): Edit {
  return setting(`ovs-vsctl set port ${bundle.name} ${words}`, bundle, values);
}

export function addVlan(bundle: Bundle, column: 'trunks' | 'cvlans', vlan: number): Edit {
  const values = { [column]: new Set([...(bundle[column] ?? []), vlan]) };
  return setting(`ovs-vsctl add port ${bundle.name} ${column} ${vlan}`, bundle, values);
}

/** A trunk port from now on. */
export function clearTag(bundle: Bundle): Edit {
  const command = `ovs-vsctl clear port ${bundle.name} tag vlan_mode`;
  return setting(command, bundle, { vlanMode: 'trunk', vlan: 0 });
}

const PORT_FLAGS = {
  up: 1 << 0,
  receive: 1 << 2,
  flood: 1 << 4,
  forward: 1 << 5,
} as const;

/** The flags of `ovs-ofctl mod-port` that stand in the way, all at once. */
export function modPort(port: OfPort, flags: readonly (keyof typeof PORT_FLAGS)[]): Edit {
  const inTheWay = flags.filter((f) => (port.config & PORT_FLAGS[f]) !== 0);
  const { bridge } = port.bundle;
  const command = inTheWay.map((f) => `ovs-ofctl mod-port ${bridge.name} ${port.name} ${f}`);
  const config = inTheWay.reduce((bits, f) => bits & ~PORT_FLAGS[f], port.config);
  return setting(command.join(' && '), port, { config });
}

/** Forgets what a bridge has learned; static entries stay. */
export function flushMacs(bridge: Ofproto): Edit {
  const macs = new MacLearning<Bundle>(realClock);
  for (const e of bridge.macs.entries()) if (e.isStatic) macs.addStatic(e.vlan, e.mac, e.port);
  return setting(`ovs-appctl fdb/flush ${bridge.name}`, bridge, { macs });
}

export function deleteStaticMac(bridge: Ofproto, vlan: number, mac: number, text: string): Edit {
  const macs = new MacLearning<Bundle>(realClock);
  for (const e of bridge.macs.entries()) {
    if (e.vlan !== vlan || e.mac !== mac) macs.addStatic(e.vlan, e.mac, e.port);
  }
  return setting(`ovs-appctl fdb/del ${bridge.name} ${vlan} ${text}`, bridge, { macs });
}
