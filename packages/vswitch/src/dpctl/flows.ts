/** `dump-flows`, `add-flow` and the other commands on megaflows. */
import {
  type Dpif,
  flowUfid,
  formatFlowStats,
  formatInstalledFlow,
  formatOdpActions,
  formatOdpFlow,
  type InstalledFlow,
  OdpParseError,
  parseOdpActions,
  parseOdpFlow,
  Ufid,
} from '@heddle/datapath';
import { formatUserdata } from '../ofproto/userdata.ts';
import { type DpctlCommand, type DpctlRun, dpFullName, errorCode, takeDpif } from './command.ts';

export const dumpFlows: DpctlCommand = {
  name: 'dump-flows',
  usage: '[-m] [--names] [dp] [filter=..] [type=..] [pmd=..]',
  minArgs: 0,
  maxArgs: 6,
  run(run) {
    const words = run.args.filter((a) => /^(filter|type|pmd)=/.test(a));
    const rest = run.args.filter((a) => !words.includes(a));
    const wrongType = words
      .filter((w) => w.startsWith('type='))
      .flatMap((w) => w.slice(5).split(','))
      .find((t) => !FLOW_TYPES.includes(t));
    if (wrongType !== undefined) return run.fail(`Failed to parse type (${wrongType})`, 'EINVAL');
    const shown = words.every((w) => !w.startsWith('type=') || /ovs|non-offloaded|all/.test(w));
    const dpif = takeOne(run, rest);
    if (!dpif) return;
    const filter = words.find((w) => w.startsWith('filter='))?.slice(7);
    let isFirst = true;
    for (const flow of dpif.flows()) {
      const text = flowText(run, dpif, flow);
      if (!shown || (filter !== undefined && !matchesFilter(flow, filter))) continue;
      if (isFirst && dpif.engine === 'userspace') run.print('flow-dump from the main thread:');
      isFirst = false;
      run.print(text);
    }
  },
};

const FLOW_TYPES = [
  'ovs',
  'tc',
  'dpdk',
  'offloaded',
  'non-offloaded',
  'partially-offloaded',
  'all',
];

export const getFlow: DpctlCommand = {
  name: 'get-flow',
  usage: '[dp] ufid',
  minArgs: 1,
  maxArgs: 2,
  run(run) {
    const found = takeDpif(run, 1);
    if (!found) return;
    const ufid = /^ufid:([0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}|[0-9a-f]{32})$/i.exec(
      found.rest[0]!,
    )?.[1];
    if (ufid === undefined) return run.complain('parsing flow ufid', 'EINVAL');
    const flow = found.dpif.flowGet(Ufid.fromString(ufid.replaceAll('-', '')));
    if (flow) run.print(flowText(run, found.dpif, flow));
    else run.fail('getting flow', 'ENOENT');
  },
};

export const addFlow: DpctlCommand = {
  name: 'add-flow',
  usage: '[dp] flow actions',
  minArgs: 2,
  maxArgs: 3,
  run(run) {
    const found = takeDpif(run, 2);
    if (found) putFlow(run, found.dpif, found.rest[0]!, found.rest[1]!, 'create');
  },
};

export const modFlow: DpctlCommand = {
  name: 'mod-flow',
  usage: '[dp] flow actions',
  minArgs: 2,
  maxArgs: 3,
  run(run) {
    const found = takeDpif(run, 2);
    const mode = run.options.mayCreate ? 'put' : 'modify';
    if (found) putFlow(run, found.dpif, found.rest[0]!, found.rest[1]!, mode);
  },
};

export const delFlow: DpctlCommand = {
  name: 'del-flow',
  usage: '[dp] flow',
  minArgs: 1,
  maxArgs: 2,
  run(run) {
    const found = takeDpif(run, 1);
    if (found) deleteFlow(run, found.dpif, found.rest[0]!);
  },
};

export const addFlows = fileCommand('add-flows', 'add');
export const modFlows = fileCommand('mod-flows', 'modify');

export const delFlows: DpctlCommand = {
  name: 'del-flows',
  usage: '[dp] [file]',
  minArgs: 0,
  maxArgs: 2,
  async run(run) {
    const found = takeDpif(run, run.args.length > 0 && !isDp(run) ? 1 : 0);
    if (!found) return;
    if (found.rest[0] !== undefined) await runFile(run, found.dpif, found.rest[0], 'delete');
    else found.dpif.flowFlush();
  },
};

export const parseActions: DpctlCommand = {
  name: 'parse-actions',
  usage: 'actions',
  minArgs: 1,
  maxArgs: Number.MAX_SAFE_INTEGER,
  run(run) {
    for (const text of run.args) {
      try {
        run.print(formatOdpActions(parseOdpActions(text)));
      } catch {
        run.fail('odp_actions_from_string', 'EINVAL');
      }
    }
  },
};

type Change = 'add' | 'modify' | 'delete';

function fileCommand(name: string, kind: Change): DpctlCommand {
  return {
    name,
    usage: '[dp] file',
    minArgs: 1,
    maxArgs: 2,
    async run(run) {
      const found = takeDpif(run, 1);
      if (found) await runFile(run, found.dpif, found.rest[0]!, kind);
    },
  };
}

/** Each line is `[add|modify|delete] FLOW [actions:ACTIONS]`; a bad one is skipped. */
async function runFile(run: DpctlRun, dpif: Dpif, file: string, kind: Change): Promise<void> {
  let text: string;
  try {
    text = await run.env.readFile(file);
  } catch (error) {
    return run.complain(`Opening file "${file}" failed`, errorCode(error));
  }
  for (const [i, raw] of text.split('\n').entries()) {
    const line = raw.replace(/#.*$/, '').trim();
    if (line === '') continue;
    const m = /^(?:(add|modify|delete)\s+)?(.*?)(?:,?\s*actions:(.*))?$/.exec(line)!;
    const change = (m[1] as Change | undefined) ?? kind;
    if (!m[2]!.includes('(')) {
      run.complain(`Failed parsing line number ${i + 1}, skipped!`);
      continue;
    }
    const failed = run.failed;
    if (change === 'delete') deleteFlow(run, dpif, m[2]!);
    else putFlow(run, dpif, m[2]!, m[3] ?? '', change === 'add' ? 'create' : 'modify');
    run.failed = failed;
  }
}

function isDp(run: DpctlRun): boolean {
  return run.env.dpifs().some((d) => dpFullName(d) === run.args[0] || d.name === run.args[0]);
}

function takeOne(run: DpctlRun, rest: readonly string[]): Dpif | undefined {
  const all = run.env.dpifs();
  const named = rest[0];
  const dpif =
    named === undefined
      ? all.length === 1
        ? all[0]
        : undefined
      : all.find((d) => dpFullName(d) === named || (d.name === named && d.type === 'system'));
  if (dpif) return dpif;
  if (all.length === 0 && run.env.program === 'ovs-dpctl') run.complain('no datapaths exist');
  run.fail('datapath not found', 'EINVAL');
  return undefined;
}

function portNames(dpif: Dpif): (port: number) => string | undefined {
  const names = new Map([...dpif.ports()].map((p) => [p.portNo, p.name]));
  return (port) => names.get(port);
}

function flowText(run: DpctlRun, dpif: Dpif, flow: InstalledFlow): string {
  return formatInstalledFlow(flow, dpif.nowMs(), {
    verbose: run.options.more,
    packetType: dpif.engine === 'userspace',
    userdata: formatUserdata,
    ...(run.withNames ? { portName: portNames(dpif) } : {}),
  });
}

function putFlow(
  run: DpctlRun,
  dpif: Dpif,
  flowArg: string,
  actionsArg: string,
  mode: 'create' | 'modify' | 'put',
): void {
  const parsed = parseFlow(run, dpif, flowArg);
  if (!parsed) return;
  let actions: ReturnType<typeof parseOdpActions>;
  try {
    actions = parseOdpActions(actionsArg, parseNames(dpif));
  } catch {
    run.fail('parsing actions', 'EINVAL');
    return;
  }
  try {
    const stats = dpif.flowPut({ ...parsed, actions }, mode);
    if (run.options.statistics && mode !== 'create') {
      const none = { packets: 0, bytes: 0, usedMs: undefined, tcpFlags: 0 };
      run.print(formatFlowStats(stats ?? none, dpif.nowMs()));
    }
  } catch (error) {
    run.fail('updating flow table', errorCode(error));
  }
}

function deleteFlow(run: DpctlRun, dpif: Dpif, flowArg: string): void {
  const ufid = /^ufid:([0-9a-f-]{32,36})$/i.exec(flowArg)?.[1]?.replaceAll('-', '');
  const parsed = ufid === undefined ? parseFlow(run, dpif, flowArg) : undefined;
  if (ufid === undefined && !parsed) return;
  const stats = dpif.flowDel(
    ufid === undefined ? flowUfid(parsed!.key, parsed!.mask) : Ufid.fromString(ufid),
  );
  if (!stats) {
    run.fail('deleting flow', 'ENOENT');
    if (ufid === undefined) run.print('Perhaps you need to specify a UFID?');
  } else if (run.options.statistics) run.print(formatFlowStats(stats, dpif.nowMs()));
}

function parseNames(dpif: Dpif) {
  const numbers = new Map([...dpif.ports()].map((p) => [p.name, p.portNo]));
  return { portNumber: (name: string) => numbers.get(name) };
}

/** A datapath's flow is for one recirculation, 0 when none is said. */
function parseFlow(run: DpctlRun, dpif: Dpif, text: string) {
  try {
    const flow = parseOdpFlow(text, parseNames(dpif));
    flow.mask.recircId = 0xffff_ffff;
    return flow;
  } catch (error) {
    const what = error instanceof OdpParseError ? error.message : String(error);
    run.fail(`parsing flow key (${what})`, 'EINVAL');
    return undefined;
  }
}

/** Every word of the filter (`tcp,tp_dst=80`) must agree with the bits that the flow looks at. */
function matchesFilter(flow: InstalledFlow, filter: string): boolean {
  const text = formatOdpFlow(flow.key, flow.mask);
  const tokens: Record<string, RegExp> = {
    ip: /eth_type\(0x0800\)/,
    ipv6: /eth_type\(0x86dd\)/,
    arp: /eth_type\(0x0806\)/,
    icmp: /proto=1[,)/]/,
    tcp: /proto=6[,)/]|tcp\(/,
    udp: /proto=17[,)/]|udp\(/,
    sctp: /proto=132[,)/]/,
  };
  return filter.split(',').every((word) => {
    const eq = word.indexOf('=');
    if (eq < 0) {
      const l4 = ['icmp', 'tcp', 'udp', 'sctp'].includes(word) && !/proto=/.test(text);
      return l4 ? /eth_type\(0x(0800|86dd)\)/.test(text) : (tokens[word]?.test(text) ?? false);
    }
    return agrees(flow, text, word.slice(0, eq), word.slice(eq + 1));
  });
}

function agrees(flow: InstalledFlow, text: string, key: string, value: string): boolean {
  const names: Record<string, string> = {
    in_port: 'in_port\\(',
    dl_src: 'eth\\([^)]*src=',
    eth_src: 'eth\\([^)]*src=',
    dl_dst: 'eth\\([^)]*dst=',
    eth_dst: 'eth\\([^)]*dst=',
    nw_src: 'ipv4\\([^)]*src=',
    nw_dst: 'ipv4\\([^)]*dst=',
    dl_vlan: 'vlan\\(vid=',
    tp_src: '(?:tcp|udp|sctp)\\(src=',
    tp_dst: '(?:tcp|udp|sctp)\\([^)]*dst=',
    recirc_id: 'recirc_id\\(',
  };
  const prefix = names[key];
  if (prefix === undefined) return false;
  const m = new RegExp(`${prefix}([^,)/]*)`).exec(text);
  // A field that the flow does not look at agrees with anything, but a VLAN it has not.
  if (!m) return key !== 'dl_vlan' || (flow.mask.vlanTci0 & 0x1000) === 0;
  return m[1]!.toLowerCase() === value.toLowerCase() || Number(m[1]) === Number(value);
}
