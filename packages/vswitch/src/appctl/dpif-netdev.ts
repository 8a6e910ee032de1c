/**
 * `dpif-netdev/*` and `odp-execute/*`: what the userspace datapath counts, and which of several ways
 * it works in (ovs-vswitchd(8), "DPIF-NETDEV COMMANDS"). It runs in the daemon's own thread alone, and
 * has one way for each thing: threads that poll, caches and vector instructions are not listed.
 */
import type { Dpif, DpPerf } from '@heddle/datapath';
import { UnixctlError, type UnixctlServer } from '@heddle/runtime';
import type { Switch } from '../switch.ts';

const DEFAULT_SECONDS = 60;
const SECONDS_STEP = 5;
const LOG_USAGE =
  'Usage: ovs-appctl dpif-netdev/pmd-perf-log-set [on|off] [-b before] [-a after] [-e|-ne] [-us usec] [-q qlen]';

interface Asked {
  readonly dpif: Dpif;
  /** With `-pmd`: a thread that polls, of which there are none. */
  readonly isThread: boolean;
  readonly seconds: number;
}

export function registerDpifNetdev(server: UnixctlServer, sw: Switch): void {
  const asked = (args: readonly string[]) => askedFor(sw, args);
  const clearedAt = new WeakMap<Dpif, DpPerf>();
  const name = (command: string) => `dpif-netdev/${command}`;

  server.register(name('pmd-stats-show'), '[-pmd core] [dp]', 0, 3, (args) => {
    const { dpif, isThread } = asked(args);
    return isThread ? '' : statsText(since(dpif.perf!(), clearedAt.get(dpif)));
  });
  server.register(name('pmd-stats-clear'), '[-pmd core] [dp]', 0, 3, (args) => {
    const { dpif, isThread } = asked(args);
    if (!isThread) clearedAt.set(dpif, dpif.perf!());
    return '';
  });
  server.register(name('pmd-rxq-show'), '[-pmd core] [-secs secs] [dp]', 0, 5, (args) => {
    const { isThread, seconds } = asked(args);
    return isThread ? '' : `Displaying last ${seconds} seconds pmd usage %\n`;
  });
  const nothing = (args: readonly string[]) => {
    asked(args);
    return '';
  };
  const history = '[-nh] [-it iter-history-len] [-ms ms-history-len] [-pmd core] [dp]';
  server.register(name('pmd-perf-show'), history, 0, 8, nothing);
  server.register(name('bond-show'), '  [dp]', 0, 1, ([dp]) => {
    // Even the only one goes by its own name alone.
    if (dp !== undefined && !datapaths(sw).some((d) => d.name === dp)) throw noDatapath();
    return '';
  });
  server.register(name('pmd-rxq-rebalance'), '[dp]', 0, 1, (args) => {
    asked(args);
    return 'pmd rxq rebalance requested.\n';
  });
  const logOptions = 'on|off [-b before] [-a after] [-e|-ne] [-us usec] [-q qlen]';
  server.register(name('pmd-perf-log-set'), logOptions, 0, 10, (args) => {
    if (!isLogSetting(args)) throw new UnixctlError(LOG_USAGE);
    return '';
  });
  registerWays(server, sw);
}

/** Functions to choose from: one of each. */
function registerWays(server: UnixctlServer, sw: Switch): void {
  let priority = 1;
  server.register('dpif-netdev/subtable-lookup-info-get', '', 0, 0, () => {
    const tables = datapaths(sw).reduce((sum, dpif) => sum + dpif.stats().masks, 0);
    return `Available dpcls implementations:\n  generic (Use count: ${tables}, Priority: ${priority})\n`;
  });
  const usage = '[lookup_func] [prio]';
  server.register('dpif-netdev/subtable-lookup-prio-set', usage, 2, 2, ([way, text]) => {
    const wanted = Number.parseInt(text!, 10) || 0;
    if (wanted < 0 || wanted > 255)
      throw new UnixctlError('error converting priority, use integer in range 0-255\n');
    if (way !== 'generic') throw new UnixctlError('error, subtable lookup function not found\n');
    priority = wanted;
    return 'Lookup priority change affected 0 dpcls ports and 0 subtables.\n';
  });

  server.register('dpif-netdev/dpif-impl-get', '', 0, 0, () => {
    return 'Available DPIF implementations:\n  dpif_scalar (pmds: none)\n';
  });
  server.register('dpif-netdev/dpif-impl-set', 'dpif_implementation_name', 1, 1, ([way]) => {
    if (way !== 'dpif_scalar')
      throw new UnixctlError(
        `DPIF implementation not available: Unknown DPIF implementation ${way}.\n`,
      );
    return 'DPIF implementation set to dpif_scalar.\n';
  });

  server.register('dpif-netdev/miniflow-parser-get', '', 0, 0, () => {
    return 'Available MFEX implementations:\n  scalar (available: True pmds: none)\n';
  });
  const parser = '[-pmd core] miniflow_implementation_name [study_pkt_cnt]';
  server.register('dpif-netdev/miniflow-parser-set', parser, 1, 5, setParser);

  server.register('odp-execute/action-impl-show', '', 0, 0, () => {
    return 'Available Actions implementations:\n  scalar (available: Yes, active: Yes)\n';
  });
  server.register('odp-execute/action-impl-set', 'name', 1, 1, ([way]) => {
    if (way !== 'scalar')
      throw new UnixctlError(`Error: unknown action implementation, ${way}, specified!`);
    return 'Action implementation set to scalar.\n';
  });
}

function setParser(args: readonly string[]): string {
  let words = args;
  let thread: string | undefined;
  if (words[0] === '-pmd') {
    thread = words[1];
    if (thread === undefined)
      throw new UnixctlError('Error: -pmd option requires a thread id argument.\n');
    if (!/^\d+$/.test(thread))
      throw new UnixctlError(
        `Error: miniflow extract parser not changed, PMD thread passed is not valid: '${thread}'. Pass a valid pmd thread ID.\n`,
      );
    words = words.slice(2);
  }
  const [way, rest] = words;
  if (way === undefined)
    throw new UnixctlError(
      'Error: no miniflow extract name provided. Output of miniflow-parser-get shows implementation list.\n',
    );
  if (rest !== undefined) throw new UnixctlError(`Error: unknown argument ${rest}.\n`);
  if (way !== 'scalar')
    throw new UnixctlError(`Error: unknown miniflow extract implementation ${way}.\n`);
  if (thread !== undefined)
    throw new UnixctlError(
      `Error: miniflow extract parser not changed, PMD thread ${thread} not in use, pass a valid pmd thread ID.\n`,
    );
  return 'Miniflow extract implementation set to scalar.\n';
}

function datapaths(sw: Switch): Dpif[] {
  return [...sw.backers.values()].map(({ dpif }) => dpif).filter((dpif) => dpif.perf);
}

/** Options and the datapath that is meant: the only one, whatever its name, or the one named. */
function askedFor(sw: Switch, args: readonly string[]): Asked {
  let isThread = false;
  let seconds = DEFAULT_SECONDS;
  let name: string | undefined;
  for (let i = 0; i < args.length; i++) {
    const hasValue = i + 1 < args.length;
    if (args[i] === '-nh') continue;
    if (args[i] === '-pmd' && hasValue) isThread = /^\d+$/.test(args[++i]!) || isThread;
    else if (args[i] === '-secs' && hasValue) seconds = secondsOf(args[++i]!);
    else if ((args[i] === '-it' || args[i] === '-ms') && hasValue) i++;
    else name = args[i];
  }
  const all = datapaths(sw);
  const dpif = all.length === 1 ? all[0] : all.find((d) => d.name === name);
  if (!dpif) throw noDatapath();
  return { dpif, isThread, seconds };
}

/** A multiple of the time that usage is measured in, a minute at most. */
function secondsOf(text: string): number {
  const seconds = (/^\d+$/.test(text) && Number(text)) || DEFAULT_SECONDS;
  return Math.min(Math.ceil(seconds / SECONDS_STEP) * SECONDS_STEP, DEFAULT_SECONDS);
}

function isLogSetting(args: readonly string[]): boolean {
  for (let i = 0; i < args.length; i++) {
    const word = args[i]!;
    if (['on', 'off', '-e', '-ne'].includes(word)) continue;
    if (!['-b', '-a', '-us', '-q'].includes(word) || args[++i] === undefined) return false;
  }
  return true;
}

function since(now: DpPerf, then: DpPerf | undefined): DpPerf {
  if (!then) return now;
  const difference = Object.entries(now).map(([key, n]) => [key, n - then[key as keyof DpPerf]]);
  return Object.fromEntries(difference) as DpPerf;
}

function statsText(perf: DpPerf): string {
  const ratio = (a: number, b: number) => (b > 0 ? a / b : 0).toFixed(2);
  const { received, recirculated, hits, missed, lost } = perf;
  return [
    'main thread:',
    `  packets received: ${received}`,
    `  packet recirculations: ${recirculated}`,
    `  avg. datapath passes per packet: ${ratio(received + recirculated, received)}`,
    '  phwol hits: 0',
    '  mfex opt hits: 0',
    '  simple match hits: 0',
    '  emc hits: 0',
    '  smc hits: 0',
    `  megaflow hits: ${hits}`,
    `  avg. subtable lookups per megaflow hit: ${ratio(perf.masksOfHits, hits)}`,
    `  miss with success upcall: ${missed - lost}`,
    `  miss with failed upcall: ${lost}`,
    `  avg. packets per output batch: ${ratio(perf.sent, perf.sent)}`,
    '',
  ].join('\n');
}

function noDatapath(): UnixctlError {
  return new UnixctlError('please specify an existing datapath');
}
