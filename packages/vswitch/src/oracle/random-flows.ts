/** Random flows, as lines for `ovs-ofctl add-flow`. */
import type { Random } from '@heddle/datapath/oracle/random-frame';
import { randomInstructions, randomTable } from './random-actions.ts';
import { randomMatch, randomProtocol } from './random-match.ts';

export const N_PORTS = 4;
/** Tunnel options that random flows know. */
export const TLV_MAP =
  '{class=0xffff,type=0,len=4}->tun_metadata0,{class=0xffff,type=1,len=8}->tun_metadata1';

/** One flow for OpenFlow 1.3; it need not make sense to the switch. */
export function randomFlowLine(r: Random): string {
  const table = randomTable(r);
  const p = randomProtocol(r);
  const match = [`table=${table}`, `priority=${1 + r.below(60_000)}`, ...randomMatch(r, p)];
  if (r.chance(20)) match.push(`cookie=0x${(1 + r.below(9)).toString(16)}`);
  if (r.chance(6)) return `${match.join(',')} actions=${conjunctions(r)}`;
  if (r.chance(4)) match.push(`conj_id=${1 + r.below(2)}`);
  return `${match.join(',')} actions=${randomInstructions(r, p, table)}`;
}

function conjunctions(r: Random): string {
  const one = () => `conjunction(${1 + r.below(2)},${1 + r.below(2)}/2)`;
  return r.chance(20) ? `${one()},note:05` : one();
}

/** Flows of the table that only buckets lead to. */
export function randomLastLines(r: Random): string[] {
  return LAST.filter(() => r.chance(50)).map((rest, i) => `table=10,priority=${i + 1},${rest}`);
}

const LAST = [
  'reg0=0 actions=mod_dl_src:50:54:00:00:00:02,output:2',
  'ip actions=dec_ttl,output:1',
  'dl_dst=50:54:00:00:00:01 actions=NORMAL',
  'ct_state=+trk+new,ip actions=ct(commit),output:4',
  'in_port=1 actions=controller',
  'reg1=1/1 actions=write_actions(output:3)',
];
