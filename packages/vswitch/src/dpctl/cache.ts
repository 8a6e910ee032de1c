/** Caches whose size could be set, and offloads: engines of ours have neither. */
import { type DpctlCommand, dpFullName, findDpif, takeDpif } from './command.ts';

export const cacheGetSize: DpctlCommand = {
  name: 'cache-get-size',
  usage: '[dp]',
  minArgs: 0,
  maxArgs: 1,
  run(run) {
    const [name] = run.args;
    if (name === undefined) {
      for (const dpif of run.env.dpifs()) run.print(`${dpFullName(dpif)}:`);
      return;
    }
    const dpif = findDpif(run.env, name);
    if (dpif) run.print(`${dpFullName(dpif)}:`);
    else run.fail(`Opening datapath ${name} failed`, 'ENODEV');
  },
};

export const cacheSetSize: DpctlCommand = {
  name: 'cache-set-size',
  usage: 'dp cache <size>',
  minArgs: 3,
  maxArgs: 3,
  run(run) {
    const [name = '', , size = ''] = run.args;
    if (!/^\d+$/.test(size)) run.fail('size is malformed', 'EINVAL');
    else if (!findDpif(run.env, name)) run.fail(`Opening datapath ${name} failed`, 'ENODEV');
    else run.fail('Setting caches not supported', 'EOPNOTSUPP');
  },
};

export const offloadStatsShow: DpctlCommand = {
  name: 'offload-stats-show',
  usage: '[dp]',
  minArgs: 0,
  maxArgs: 1,
  run(run) {
    if (takeDpif(run, 0)) run.fail('retrieving offload statistics', 'EINVAL');
  },
};
