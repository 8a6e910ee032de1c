/** `ipf-*`: how fragments are put together for connection tracking. */
import {
  type DpConntrack,
  IPF_MAX_FRAGMENTS,
  IPF_MIN_SIZE,
  type IpfFamily,
} from '@heddle/datapath';
import { command } from './conntrack.ts';

function familyOf(ct: DpConntrack, word: string | undefined): IpfFamily | undefined {
  return word === 'v4' ? ct.ipf.v4 : word === 'v6' ? ct.ipf.v6 : undefined;
}

const WHICH = "parameter missing: 'v4' for IPv4 or 'v6' for IPv6";

function enabling(name: string, on: boolean): ReturnType<typeof command> {
  return command(name, '[dp] v4|v6', [1, 2], (run, ct) => {
    const family = familyOf(ct, run.args.at(-1));
    if (!family) return run.fail(WHICH, 'EINVAL');
    family.isEnabled = on;
    run.print(`${on ? 'enabling' : 'disabling'} fragmentation reassembly successful`);
  });
}

export const ipfSetEnabled = enabling('ipf-set-enabled', true);
export const ipfSetDisabled = enabling('ipf-set-disabled', false);

/** As strtoul reads it. */
function unsigned(text: string | undefined): number | undefined {
  const found = /^\s*([-+]?)(\d+)$/.exec(text ?? '');
  if (!found) return undefined;
  const n = Number(found[2]);
  return n > 0xffff_ffff ? undefined : found[1] === '-' ? -n >>> 0 : n;
}

export const ipfSetMinFrag = command(
  'ipf-set-min-frag',
  '[dp] v4|v6 minfragment',
  [2, 3],
  (run, ct) => {
    const family = familyOf(ct, run.args.at(-2));
    if (!family) return run.fail(WHICH, 'EINVAL');
    const size = unsigned(run.args.at(-1));
    if (size === undefined)
      return run.fail('parameter missing for minimum fragment size', 'EINVAL');
    if (size < IPF_MIN_SIZE) {
      return run.fail('requested minimum fragment size too small; see documentation', 'EPERM');
    }
    family.minSize = size;
    run.print('setting minimum fragment size successful');
  },
);

export const ipfSetMaxNfrags = command('ipf-set-max-nfrags', '[dp] maxfrags', [1, 2], (run, ct) => {
  const n = unsigned(run.args.at(-1));
  if (n === undefined) return run.fail('parameter missing for maximum fragments', 'EINVAL');
  if (n > IPF_MAX_FRAGMENTS) return run.fail('setting maximum fragments failed', 'EPERM');
  ct.ipf.maxFragments = n;
  run.print('setting maximum fragments successful');
});

export const ipfGetStatus = command('ipf-get-status', '[dp]', [0, 1], (run, { ipf }) => {
  const lists = [...ipf.lists()];
  const say = (text: string): void => run.print(`        ${text}`);
  const enabled = (family: IpfFamily): string => (family.isEnabled ? '1' : '0');
  say('Fragmentation Module Status');
  say('---------------------------');
  say(`v4 enabled: ${enabled(ipf.v4)}`);
  say(`v6 enabled: ${enabled(ipf.v6)}`);
  say(`max num frags (v4/v6): ${ipf.maxFragments}`);
  say(`num frag: ${ipf.held}`);
  for (const name of ['v4', 'v6'] as const) {
    const family = ipf[name];
    say(`min ${name} frag size: ${family.minSize}`);
    say(`${name} frags accepted: ${family.accepted}`);
    say(`${name} frags completed: ${family.completed}`);
    say(`${name} frags expired: ${family.expired}`);
    say(`${name} frags too small: ${family.tooSmall}`);
    say(`${name} frags overlapped: ${family.overlapped}`);
    say(`${name} frags purged: ${family.purged}`);
  }
  if (!run.options.more) return;
  run.print('');
  say('Fragment Lists:');
  run.print('');
  for (const list of lists) run.print(list);
});
