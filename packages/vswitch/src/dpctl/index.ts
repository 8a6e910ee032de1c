/** The dpctl commands, for `ovs-appctl dpctl/NAME` and for `ovs-dpctl NAME`. */
import { UnixctlError, type UnixctlServer } from '@heddle/runtime';
import { cacheGetSize, cacheSetSize, offloadStatsShow } from './cache.ts';
import { type DpctlCommand, type DpctlEnv, type DpctlOptions, DpctlRun } from './command.ts';
import {
  ctBkts,
  ctDelLimits,
  ctDisableSeqChk,
  ctEnableSeqChk,
  ctGetLimits,
  ctGetMaxconns,
  ctGetNconns,
  ctGetSeqChk,
  ctSetLimits,
  ctSetMaxconns,
  ctStatsShow,
  dumpConntrack,
  flushConntrack,
} from './conntrack.ts';
import {
  addFlow,
  addFlows,
  delFlow,
  delFlows,
  dumpFlows,
  getFlow,
  modFlow,
  modFlows,
  parseActions,
} from './flows.ts';
import {
  ipfGetStatus,
  ipfSetDisabled,
  ipfSetEnabled,
  ipfSetMaxNfrags,
  ipfSetMinFrag,
} from './ipf.ts';
import { normalizeActions } from './normalize.ts';
import { addDp, addIf, delDp, delIf, setIf } from './ports.ts';
import { dumpDps, show } from './show.ts';

export type { DpctlEnv } from './command.ts';

export const DPCTL_COMMANDS: readonly DpctlCommand[] = [
  addDp,
  delDp,
  addIf,
  delIf,
  setIf,
  dumpDps,
  show,
  dumpFlows,
  addFlow,
  modFlow,
  getFlow,
  delFlow,
  addFlows,
  modFlows,
  delFlows,
  offloadStatsShow,
  dumpConntrack,
  flushConntrack,
  cacheGetSize,
  cacheSetSize,
  ctStatsShow,
  ctBkts,
  ctSetMaxconns,
  ctGetMaxconns,
  ctGetNconns,
  ctEnableSeqChk,
  ctDisableSeqChk,
  ctGetSeqChk,
  ctSetLimits,
  ctDelLimits,
  ctGetLimits,
  ipfSetEnabled,
  ipfSetDisabled,
  ipfSetMinFrag,
  ipfSetMaxNfrags,
  ipfGetStatus,
  parseActions,
  normalizeActions,
];

export interface DpctlOutcome {
  readonly output: string;
  /** What comes behind it, piece by piece. */
  readonly more?: AsyncIterable<string> | undefined;
  readonly failed: boolean;
}

/** Runs one command line: options may stand anywhere before `--`. */
export async function runDpctl(
  env: DpctlEnv,
  name: string,
  argv: readonly string[],
): Promise<DpctlOutcome> {
  const command = DPCTL_COMMANDS.find((c) => c.name === name);
  if (!command) return { output: `unknown command '${name}'; use --help for help\n`, failed: true };
  const options: DpctlOptions = {
    statistics: false,
    more: false,
    clear: false,
    mayCreate: false,
    names: undefined,
  };
  const args: string[] = [];
  for (const word of argv) {
    if (!word.startsWith('-') || word === '-') args.push(word);
    else if (!applyOption(options, word))
      return { output: `Unrecognized option ${word}\n`, failed: true };
  }
  const label = env.program === 'ovs-dpctl' ? `ovs-dpctl: '${name}'` : `"dpctl/${name}"`;
  if (args.length < command.minArgs) {
    return {
      output: `${label} command requires at least ${command.minArgs} arguments\n`,
      failed: true,
    };
  }
  if (args.length > command.maxArgs) {
    return {
      output: `${label} command takes at most ${command.maxArgs} arguments\n`,
      failed: true,
    };
  }
  const run = new DpctlRun(env, args, options);
  await command.run(run);
  const { output, more, failed } = run;
  return { output, more, failed };
}

function applyOption(options: DpctlOptions, word: string): boolean {
  if (word === '-s' || word === '--statistics') options.statistics = true;
  else if (word === '-m' || word === '--more') options.more = true;
  else if (word === '--clear') options.clear = true;
  else if (word === '--may-create') options.mayCreate = true;
  else if (word === '--names') options.names = true;
  else if (word === '--no-names') options.names = false;
  else return false;
  return true;
}

export function registerDpctl(server: UnixctlServer, env: DpctlEnv): void {
  for (const command of DPCTL_COMMANDS) {
    server.register(`dpctl/${command.name}`, command.usage, 0, Infinity, async (args) => {
      const { output, more, failed } = await runDpctl(env, command.name, args);
      if (failed) throw new UnixctlError(output);
      // Some answers end within a line.
      return more ?? (output === '' || output.endsWith('\n') ? output : `${output}\n`);
    });
  }
  server.register('dpctl/list-commands', '', 0, 0, () => {
    const lines = DPCTL_COMMANDS.map((c) =>
      `  ${`dpctl/${c.name}`.padEnd(29)} ${c.usage}`.trimEnd(),
    );
    return `The available commands are:\n${lines.join('\n')}\n`;
  });
}
