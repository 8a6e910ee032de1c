/** `dump-conntrack`, `flush-conntrack` and what counts and limits connections. */
import { type CtEntry, CtStatsCounter, type DpConntrack, formatCtEntry } from '@heddle/datapath';
import { type CtTuple, parseCtTuple } from '@heddle/openflow';
import { messageOf } from '@heddle/runtime';
import { ctFilter } from '../ct-match.ts';
import { type DpctlCommand, type DpctlRun, findDpif } from './command.ts';
import { forEachSliced, inPieces, runSliced } from './slices.ts';

/** The tracker of the datapath that the first argument names, or of the only one there is. */
function takeTracker(
  run: DpctlRun,
  needed: number,
): { ct: DpConntrack; rest: string[] } | undefined {
  const [first, ...rest] = run.args;
  const all = run.env.dpifs();
  const isName =
    run.args.length > needed && first !== undefined && first !== '' && !first.includes('=');
  const dpif = isName ? findDpif(run.env, first) : all.length === 1 ? all[0] : undefined;
  if (!dpif) {
    if (all.length === 0 && run.env.program === 'ovs-dpctl') run.complain('no datapaths exist');
    run.fail('datapath not found', 'EINVAL');
    return undefined;
  }
  if (!dpif.ct) {
    run.fail('conntrack', 'EOPNOTSUPP');
    return undefined;
  }
  return { ct: dpif.ct, rest: isName ? rest : [...run.args] };
}

/** A number, up to `max`. */
function number(text: string | undefined, max: number): number | undefined {
  if (text === undefined || !/^(0x[0-9a-f]+|\d+)$/i.test(text)) return undefined;
  const n = Number(text);
  return n <= max ? n : undefined;
}

function takeZone(rest: string[]): { zone: number | undefined; bad: boolean } {
  if (!rest[0]?.startsWith('zone=')) return { zone: undefined, bad: false };
  const zone = number(rest.shift()!.slice(5), 0xffff);
  return { zone, bad: zone === undefined };
}

export function command(
  name: string,
  usage: string,
  [minArgs, maxArgs]: readonly [number, number],
  run: (run: DpctlRun, ct: DpConntrack, rest: string[]) => void | Promise<void>,
): DpctlCommand {
  return {
    name,
    usage,
    minArgs,
    maxArgs,
    run(r) {
      const found = takeTracker(r, minArgs);
      return found && run(r, found.ct, found.rest);
    },
  };
}

function* inZone(ct: DpConntrack, zone: number | undefined): Iterable<CtEntry> {
  for (const entry of ct.entries()) if (zone === undefined || entry.zone === zone) yield entry;
}

export const dumpConntrack = command(
  'dump-conntrack',
  '[-m] [-s] [dp] [zone=N]',
  [0, 4],
  (run, ct, rest) => {
    const { zone, bad } = takeZone(rest);
    if (bad) return run.fail('datapath not found', 'EINVAL');
    const options = { verbose: run.options.more, stats: run.options.statistics };
    run.more = inPieces(inZone(ct, zone), (entry) => `${formatCtEntry(entry, options)}\n`);
  },
);

export const flushConntrack = command(
  'flush-conntrack',
  '[dp] [zone=N] [ct-orig-tuple] [ct-reply-tuple]',
  [0, 4],
  async (run, ct, rest) => {
    const { zone, bad } = takeZone(rest);
    if (bad) return run.fail('failed to parse zone', 'EINVAL');
    let tuples: CtTuple[];
    try {
      tuples = rest.map((text) => parseCtTuple(text));
      for (const t of tuples) {
        if (t.proto === undefined && (t.srcPort ?? t.dstPort) !== undefined) {
          return run.fail('port is set without protocol', 'EINVAL');
        }
      }
    } catch (error) {
      return run.fail(messageOf(error), 'EINVAL');
    }
    const [original = {}, reply = {}] = tuples;
    await runSliced(ct.flushing(ctFilter({ zone, original, reply })));
  },
);

export const ctStatsShow = command(
  'ct-stats-show',
  '[dp] [zone=N]',
  [0, 3],
  async (run, ct, rest) => {
    const { zone, bad } = takeZone(rest);
    if (bad) return run.fail('datapath not found', 'EINVAL');
    const stats = new CtStatsCounter();
    await forEachSliced(inZone(ct, zone), (entry) => stats.add(entry));
    run.print('Connections Stats:');
    run.print(`    Total: ${stats.total}`);
    for (const [name, count] of stats.byProtocol) {
      if (count === 0) continue;
      run.print(`  ${name}: ${count}`);
      if (name !== 'TCP' || !run.options.more) continue;
      run.print('    Conn per TCP states:');
      for (const [state, n] of stats.byState) run.print(`\t  [${state}]=${n}`);
    }
  },
);

/** Our tables have no buckets to look into: all connections are in one. */
export const ctBkts = command('ct-bkts', '[dp] [gt=N]', [0, 2], async (run, ct, rest) => {
  const over = rest[0]?.startsWith('gt=') ? number(rest[0].slice(3), 0xffff_ffff) : 0;
  if (over === undefined) return run.fail('datapath not found', 'EINVAL');
  let n = 0;
  await forEachSliced(ct.entries(), () => n++);
  run.print('Total Buckets: 1');
  run.print(`Current Connections: ${n}`);
  run.print('');
  const line = `+${'-'.repeat(11)}+${'-'.repeat(41)}+`;
  for (const text of [line, '|  Buckets  |         Connections per Buckets         |', line]) {
    run.print(text);
  }
  run.print(`   0..  7   | ${(n > over ? String(n) : '.').padStart(5)}`);
  run.print('');
});

export const ctSetMaxconns = command(
  'ct-set-maxconns',
  '[dp] maxconns',
  [1, 2],
  (run, ct, rest) => {
    const n = number(rest[0], 0xffff_ffff);
    if (n === undefined) return run.fail('maxconns missing or malformed', 'EINVAL');
    ct.maxConnections = n;
    run.print('setting maxconns successful');
  },
);

export const ctGetMaxconns = command('ct-get-maxconns', '[dp]', [0, 1], (run, ct) => {
  run.print(String(ct.maxConnections));
});

export const ctGetNconns = command('ct-get-nconns', '[dp]', [0, 1], (run, ct) => {
  run.print(String(ct.count));
});

function seqCheck(name: string, on: boolean, doing: string): DpctlCommand {
  return command(name, '[dp]', [0, 1], (run, ct) => {
    ct.checkSeq = on;
    run.print(`${doing} TCP sequence checking successful`);
  });
}

export const ctEnableSeqChk = seqCheck('ct-enable-tcp-seq-chk', true, 'enabling');
export const ctDisableSeqChk = seqCheck('ct-disable-tcp-seq-chk', false, 'disabling');

export const ctGetSeqChk = command('ct-get-tcp-seq-chk', '[dp]', [0, 1], (run, ct) => {
  run.print(`TCP sequence checking: ${ct.checkSeq ? 'enabled' : 'disabled'}`);
});

const ANY_ARGS = [1, Number.MAX_SAFE_INTEGER] as const;

export const ctSetLimits = command(
  'ct-set-limits',
  '[dp] [default=L] [zone=N,limit=L]...',
  ANY_ARGS,
  setLimits,
);

function setLimits(run: DpctlRun, ct: DpConntrack, rest: string[]): void {
  let fallback: number | undefined;
  if (rest[0]?.startsWith('default=')) {
    fallback = number(rest.shift()!.slice(8), 0xffff_ffff);
    if (fallback === undefined) {
      run.fail('invalid default limit', 'EINVAL');
      return;
    }
  }
  const limits: [zone: number, limit: number][] = [];
  for (const text of rest) {
    const parsed = parseZoneLimit(text);
    if (typeof parsed === 'string') {
      run.fail(parsed, 'EINVAL');
      return;
    }
    limits.push(parsed);
  }
  if (fallback !== undefined) ct.defaultLimit = fallback;
  for (const [zone, limit] of limits) ct.setZoneLimit(zone, limit);
}

/** `zone=N,limit=L`, or what is wrong with it. */
function parseZoneLimit(text: string): [zone: number, limit: number] | string {
  const found: { zone?: number; limit?: number } = {};
  for (const word of text.split(',')) {
    const [key = '', value = ''] = word.split(/=(.*)/s);
    if (value === '') return `field ${key} missing value`;
    if (key !== 'zone' && key !== 'limit') return `invalid zone limit field: ${key}`;
    const n = number(value, key === 'zone' ? 0xffff : 0xffff_ffff);
    if (n === undefined) return `failed to parse field ${key}`;
    found[key] = n;
  }
  const { zone, limit } = found;
  return zone === undefined || limit === undefined ? 'failed to parse zone limit' : [zone, limit];
}

/** `zone=N1,N2`; undefined when one is none. */
function parseZones(text: string | undefined): number[] | undefined {
  const zones = text?.startsWith('zone=') ? text.slice(5).split(',') : [];
  const parsed = zones.map((z) => number(z, 0xffff));
  return zones.length > 0 && parsed.every((z) => z !== undefined)
    ? (parsed as number[])
    : undefined;
}

export const ctDelLimits = command(
  'ct-del-limits',
  '[dp] zone=N1[,N2]...',
  [1, 2],
  (run, ct, rest) => {
    const zones = parseZones(rest[0]);
    if (!zones) return run.fail('invalid zone', 'EINVAL');
    for (const zone of zones) ct.setZoneLimit(zone, undefined);
  },
);

export const ctGetLimits = command(
  'ct-get-limits',
  '[dp] [zone=N1[,N2]...]',
  [0, 2],
  (run, ct, rest) => {
    const own = new Map(ct.zoneLimits());
    const zones = rest[0] === undefined ? [...own.keys()] : parseZones(rest[0]);
    if (!zones) return run.fail('invalid zone', 'EINVAL');
    run.print(`default limit=${ct.defaultLimit}`);
    for (const zone of zones) {
      const limit = own.get(zone) ?? ct.defaultLimit;
      run.print(`zone=${zone},limit=${limit},count=${ct.zoneCount(zone)}`);
    }
  },
);
