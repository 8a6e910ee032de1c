/** `dump-flows`, `add-flow` and the other commands on megaflows. */
import {
  type Dpif,
  flowOfAttrs,
  flowUfid,
  formatFlowStats,
  formatInstalledFlow,
  formatOdpTextActions,
  type InstalledFlow,
  keyOfAttrs,
  OdpKeyError,
  OdpParseError,
  OdpTrailError,
  parseOdpActions,
  parseOdpAttrs,
  parseOdpTextActions,
  Ufid,
} from '@heddle/datapath';
import { FLOW_DL_TYPE_NONE } from '@heddle/packet';
import { HeddleError } from '@heddle/runtime';
import { formatUserdata } from '../ofproto/userdata.ts';
import { type DpctlCommand, type DpctlRun, dpFullName, errorCode, takeDpif } from './command.ts';
import { FlowFilter } from './flow-filter.ts';

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
      .find((t) => t !== '' && !FLOW_TYPES.includes(t));
    if (wrongType !== undefined) return run.fail(`Failed to parse type (${wrongType})`, 'EINVAL');
    const shown = words.every((w) => !w.startsWith('type=') || /ovs|non-offloaded|all/.test(w));
    const dpif = takeOne(run, rest);
    if (!dpif) return;
    const thread = words.findLast((w) => w.startsWith('pmd='))?.slice(4);
    if (thread !== undefined && !/^(-1|\d+)$/.test(thread)) {
      run.failed = true;
      return;
    }
    // The main thread's number is -1; there are no others.
    if (thread !== undefined && thread !== '-1') return;
    const filterText = words.findLast((w) => w.startsWith('filter='))?.slice(7);
    let filter: FlowFilter | undefined;
    try {
      if (filterText !== undefined) filter = new FlowFilter(filterText, dpif);
    } catch (error) {
      if (!(error instanceof HeddleError)) throw error;
      return run.fail(`Failed to parse filter (${error.message})`);
    }
    let isFirst = true;
    for (const flow of dpif.flows()) {
      const text = flowText(run, dpif, flow);
      if (!shown || filter?.refuses(flow)) continue;
      if (isFirst && dpif.engine === 'userspace' && thread === undefined)
        run.print('flow-dump from the main thread:');
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
    const text = found.rest[0]!;
    if (!text.trimStart().startsWith('ufid:')) return run.complain('parsing flow ufid');
    const { ufid } = splitUfid(text);
    if (ufid === undefined) return run.complain('parsing flow ufid', 'EINVAL');
    const flow = found.dpif.flowGet(ufid);
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
        run.print(formatOdpTextActions(parseOdpTextActions(text)));
      } catch (error) {
        failActions(run, 'odp_actions_from_string', error);
      }
    }
  },
};

/** Of a text that goes on behind an action upstream tells how long that is, as an errno. */
export function failActions(run: DpctlRun, what: string, error: unknown): void {
  if (!(error instanceof OdpParseError)) throw error;
  if (error instanceof OdpTrailError) {
    const { length } = error;
    run.fail(`${what} (${length === 1 ? 'End of file' : `Unknown error -${length}`})`);
  } else run.fail(what, 'EINVAL');
}

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
  const named = takeUfid(run, flowArg);
  if (!named) return;
  const parsed = parseFlow(run, dpif, named.rest);
  if (!parsed) return;
  let actions: ReturnType<typeof parseOdpActions>;
  try {
    actions = parseOdpActions(actionsArg, parseNames(dpif));
  } catch (error) {
    failActions(run, 'parsing actions', error);
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
  const named = takeUfid(run, flowArg);
  if (!named) return;
  const { rest } = named;
  let ufid = named.ufid;
  if (ufid === undefined || rest !== '') {
    const parsed = parseFlow(run, dpif, rest, (why) => why);
    if (!parsed) return;
    ufid = flowUfid(parsed.key, parsed.mask);
  }
  const stats = dpif.flowDel(ufid);
  if (!stats) {
    run.fail('deleting flow', 'ENOENT');
    run.print('Perhaps you need to specify a UFID?');
  } else if (run.options.statistics) run.print(formatFlowStats(stats, dpif.nowMs()));
}

/**
 * `ufid:12345678-...` before a flow. A flow goes by the one that its key and mask make, so that what
 * is said before a flow names nothing; alone it names one of those that are there. Neither when what follows `ufid:` is none. */
function splitUfid(text: string): { ufid: Ufid | undefined; rest: string } {
  const m = UFID.exec(text);
  if (!m) return { ufid: undefined, rest: text };
  return { ufid: Ufid.fromString(m[1]!.replaceAll('-', '')), rest: text.slice(m[0].length) };
}

const UFID =
  /^\s*ufid:([0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}|[0-9a-f]{32})(?![0-9a-f])[,\s]*/i;

function takeUfid(run: DpctlRun, text: string): ReturnType<typeof splitUfid> | undefined {
  const split = splitUfid(text);
  if (split.ufid === undefined && split.rest.trimStart().startsWith('ufid:')) {
    run.fail('parsing flow ufid', 'EINVAL');
    return undefined;
  }
  return split;
}

function parseNames(dpif: Dpif) {
  const numbers = new Map([...dpif.ports()].map((p) => [p.name, p.portNo]));
  return { portNumber: (name: string) => numbers.get(name) };
}

/** What a packet has that the datapaths' keys do not hold. */
function beyondKey(attrs: Attrs): string | undefined {
  const hasEth = attrs.some(({ name }) => name === 'eth');
  return attrs.find(
    (attr) =>
      attr.name === 'mpls' ||
      (attr.name === 'skb_priority' && attr.mask !== 0) ||
      (attr.name === 'packet_type' && !hasEth && attr.values.some((v) => v !== 0)),
  )?.name;
}

type Attrs = ReturnType<typeof parseOdpAttrs>;

/**
 * A datapath's flow is for one recirculation, 0 when none is said. The userspace datapath takes what
 * describes a packet entirely.
 */
function parseFlow(
  run: DpctlRun,
  dpif: Dpif,
  text: string,
  say = (why: string) => `parsing flow key (${why})`,
): ReturnType<typeof flowOfAttrs> | undefined {
  try {
    const attrs = parseOdpAttrs(text, { ...parseNames(dpif), isMasked: true });
    if (dpif.engine === 'userspace' && !isWhole(attrs)) {
      run.fail('updating flow table', 'EINVAL');
      return undefined;
    }
    const beyond = beyondKey(attrs);
    if (beyond !== undefined) {
      run.fail(say(`the datapath does not look at ${beyond}`), 'EINVAL');
      return undefined;
    }
    const flow = flowOfAttrs(attrs);
    flow.mask.recircId = 0xffff_ffff;
    return flow;
  } catch (error) {
    if (!(error instanceof OdpParseError)) throw error;
    run.fail(say(error.message), 'EINVAL');
    return undefined;
  }
}

/** There is a header for all that is looked at, and the field that says so is looked at, too. */
function isWhole(attrs: Attrs): boolean {
  try {
    const { flow, fitness } = keyOfAttrs(attrs, { vlanLimit: 1 });
    if (fitness !== 'perfect' || flow.dlType === FLOW_DL_TYPE_NONE) return false;
    const { mask } = flowOfAttrs(attrs);
    const { nwSrc, nwDst, nwProto, nwTos, nwTtl, nwFrag, tpSrc, tpDst, tcpFlags } = mask;
    const transport = tpSrc | tpDst | tcpFlags;
    const network = nwSrc | nwDst | nwProto | nwTos | nwTtl | nwFrag;
    if (transport !== 0 && nwProto !== 0xff) return false;
    if ((network | transport) !== 0 && mask.dlType !== 0xffff) return false;
    return mask.inPort === 0xffff_ffff;
  } catch (error) {
    if (error instanceof OdpKeyError) return false;
    throw error;
  }
}
