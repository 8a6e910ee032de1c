import { formatOdpActions } from '@heddle/datapath';
import { type Flow, VLAN_CFI } from '@heddle/packet';

/** The tags of a packet as `push_vlan` would write them, outer first. */
export function tagsOf(key: Flow): string[] {
  const tags = [
    [key.vlanTpid0, key.vlanTci0],
    [key.vlanTpid1, key.vlanTci1],
  ] as const;
  return tags
    .filter(([, tci]) => (tci & VLAN_CFI) !== 0)
    .map(([tpid, tci]) => formatOdpActions([{ type: 'push_vlan', tpid, tci }]));
}

/** What datapath actions send where, with which tags, whatever the order of the outputs. */
function outputsOf(key: Flow, actions: string): string[] {
  const outputs: string[] = [];
  let tags = tagsOf(key);
  let trunc: string[] = [];
  for (const action of actions.match(/[a-z_]+\([^)]*\)|[^,]+/g) ?? []) {
    if (action.startsWith('push_vlan(')) tags = [action, ...tags];
    else if (action === 'pop_vlan') tags = tags.slice(1);
    else if (action.startsWith('trunc(')) trunc = [action];
    else {
      outputs.push([action, ...trunc, ...tags].join(' '));
      trunc = [];
    }
  }
  return outputs.sort();
}

const VLAN_FIELDS = /,dl_vlan(_pcp)?1?=\d+/g;
const DL_DST = /,dl_dst=[0-9a-f:]+/;

/**
 * Whether two traces agree: the same words and, whatever the order of a flood, the same outputs.
 * `ours` may have looked at more of the tags, where Open vSwitch's megaflows are wider than right
 * (it does not look at a priority that decides whether a tag is written again, nor at an address
 * that decides whether a copy goes to a mirror's VLAN: `hasMirrors`).
 */
export function tracesAgree(key: Flow, ours: string, theirs: string, hasMirrors: boolean): boolean {
  const [a, b] = [ours, theirs].map((text) => parseTrace(key, text, hasMirrors));
  if (a!.words !== b!.words || a!.outputs !== b!.outputs) return false;
  // What popping a tag looked at depends on the order, and with two tags on the implementation.
  const popped = theirs.includes('pop_vlan');
  const needed = b!.vlanFields.filter(
    (field) => !/1=/.test(field) && !(popped && /pcp/.test(field)),
  );
  return needed.every((field) => a!.vlanFields.includes(field));
}

function parseTrace(key: Flow, text: string, hasMirrors: boolean) {
  const [head = '', actions = ''] = text.split('\nDatapath actions: ');
  const megaflow = /^Megaflow: .*$/m.exec(head)?.[0] ?? '';
  const withoutTags = megaflow.replace(VLAN_FIELDS, '');
  const comparable = hasMirrors ? withoutTags.replace(DL_DST, '') : withoutTags;
  return {
    words: inAnyOrder(head.replace(megaflow, comparable), hasMirrors),
    vlanFields: [...(megaflow.match(VLAN_FIELDS) ?? [])] as string[],
    outputs: outputsOf(key, actions.trim()).join('\n'),
  };
}

/** Patch ports have an order, too, and with it the bridges behind them; so have a mirror's copies. */
function inAnyOrder(text: string, hasMirrors: boolean): string {
  if (!hasMirrors && text.match(/bridge\(/g)?.length === 1) return text;
  const lines = text.split('\n').map((line) => line.trim());
  return lines.sort().join('\n');
}
