/**
 * `normalize-actions`: what a packet's copies are like when they go out, whatever the way there. A
 * command for tests, which ovs-dpctl(8) does not tell of; compared with the distribution's.
 */
import {
  formatAttrs,
  formatOdpTextActions,
  type KeyFitness,
  keyOfAttrs,
  OdpKeyError,
  OdpParseError,
  type OdpTextAction,
  parseOdpAttrs,
  parseOdpTextActions,
} from '@heddle/datapath';
import { ETH_P_8021Q, type Flow, VLAN_CFI } from '@heddle/packet';
import type { DpctlCommand, DpctlRun } from './command.ts';
import { failActions } from './flows.ts';

interface Tag {
  readonly tpid: number;
  readonly tci: number;
}

/** What is done while the packet has these tags, the outermost first. */
interface Group {
  readonly tags: readonly Tag[];
  readonly actions: OdpTextAction[];
}

interface Ports {
  readonly portNumber: (name: string) => number | undefined;
}

const MAX_TAGS = 2;

export const normalizeActions: DpctlCommand = {
  name: 'normalize-actions',
  usage: 'actions',
  minArgs: 2,
  maxArgs: Number.MAX_SAFE_INTEGER,
  run(run) {
    const [flowArg = '', actionsArg = '', ...portArgs] = run.args;
    const ports = new Map<string, number>();
    for (const arg of portArgs) {
      const [, name, number] = /^([^=]+)=(\d+)/.exec(arg) ?? [];
      if (name === undefined) return run.fail(`${arg}: expected NAME=NUMBER`);
      ports.set(name, Number(number));
    }
    const options = { portNumber: (name: string) => ports.get(name) };
    const flow = parseKey(run, flowArg, options);
    if (!flow) return;
    let actions: OdpTextAction[];
    try {
      actions = parseOdpTextActions(actionsArg, options);
    } catch (error) {
      return failActions(run, 'odp_actions_from_string', error);
    }
    if (run.options.more) run.print(`input actions: ${formatOdpTextActions(actions)}`);
    const groups = groupsOf(flow, actions);
    if (actionsArg === 'drop') groups.push({ tags: tagsOf(flow), actions });
    // No line ends between groups, nor behind them, as upstream has it.
    run.output += groups.map((group) => groupText(flow, group)).join('');
  },
};

/** What upstream takes for an errno. */
const UNFIT = { 'too-much': 'EPERM', 'too-little': 'ENOENT' } as const satisfies Record<
  Exclude<KeyFitness, 'perfect'>,
  string
>;

function parseKey(run: DpctlRun, text: string, ports: Ports): Flow | undefined {
  try {
    const attrs = parseOdpAttrs(text, ports);
    run.print(`input flow: ${formatAttrs(attrs, { isVerbose: run.options.more }) || '<empty>'}`);
    const { flow, fitness } = keyOfAttrs(attrs, { vlanLimit: 1 });
    if (fitness === 'perfect') return flow;
    run.fail('odp_flow_key_to_flow failed (reason unknown)', UNFIT[fitness]);
  } catch (error) {
    if (error instanceof OdpParseError) {
      run.fail(`odp_flow_key_from_string (${error.message})`, 'EINVAL');
    } else if (error instanceof OdpKeyError) {
      run.fail(`odp_flow_key_to_flow failed (${error.message})`, 'ESRCH');
    } else throw error;
  }
  return undefined;
}

function tagsOf(flow: Flow): Tag[] {
  return [
    { tpid: flow.vlanTpid0, tci: flow.vlanTci0 },
    { tpid: flow.vlanTpid1, tci: flow.vlanTci1 },
  ].filter(({ tci }) => tci !== 0);
}

function groupsOf(flow: Flow, actions: readonly OdpTextAction[]): Group[] {
  const groups = new Map<string, Group>();
  let tags: readonly Tag[] = tagsOf(flow);
  for (const action of actions) {
    const done = action.action;
    // A tag without the CFI bit counts for none, nor does what is behind it.
    const count = countTags(tags);
    if (done?.type === 'pop_vlan') tags = count === 0 ? tags : tags.slice(1, count);
    else if (done?.type === 'push_vlan') tags = [done, ...tags].slice(0, MAX_TAGS);
    else {
      const id = sortKey(tags);
      const group = groups.get(id) ?? { tags, actions: [] };
      group.actions.push(action);
      groups.set(id, group);
    }
  }
  return [...groups].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, group]) => group);
}

/** Tags up to the first one without the CFI bit. */
function countTags(tags: readonly Tag[]): number {
  const end = tags.findIndex(({ tci }) => (tci & VLAN_CFI) === 0);
  return end < 0 ? tags.length : end;
}

function sortKey(tags: readonly Tag[]): string {
  return tags
    .map(({ tpid, tci }) => (((tpid << 16) | tci) >>> 0).toString(16).padStart(8, '0'))
    .join('');
}

function groupText(flow: Flow, { tags, actions }: Group): string {
  const lse = flow.mplsLse0;
  const vlan = tags.length === 0 ? 'no vlan: ' : tags.map((tag) => `${tagText(tag)}: `).join('');
  const mpls =
    lse === 0 ? 'no mpls: ' : `mpls(label=${lse >>> 12},tc=${(lse >>> 9) & 7},ttl=${lse & 0xff}): `;
  return vlan + mpls + formatOdpTextActions(sortedOutputs(actions));
}

/** Type of the tag in the byte order of a little-endian host, as upstream prints it. */
function tagText({ tpid, tci }: Tag): string {
  const swapped = ((tpid & 0xff) << 8) | (tpid >>> 8);
  const type = tpid === ETH_P_8021Q ? '' : `tpid=0x${swapped.toString(16).padStart(4, '0')},`;
  return `vlan(${type}vid=${tci & 0xfff},pcp=${tci >>> 13})`;
}

/** Between two other actions the order of outputs does not matter. */
function sortedOutputs(actions: readonly OdpTextAction[]): OdpTextAction[] {
  const out: OdpTextAction[] = [];
  let outputs: OdpTextAction[] = [];
  const port = ({ action }: OdpTextAction): number => (action?.type === 'output' ? action.port : 0);
  const flush = (): void => {
    out.push(...outputs.sort((a, b) => port(a) - port(b)));
    outputs = [];
  };
  for (const action of actions) {
    if (action.action?.type === 'output') outputs.push(action);
    else {
      flush();
      out.push(action);
    }
  }
  flush();
  return out;
}
