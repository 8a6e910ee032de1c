/** Random flows, as lines for `ovs-ofctl add-flow`. */
import type { Random } from '@heddle/datapath/oracle/random-frame';
import { randomInstructions, randomTable, TABLES } from './random-actions.ts';
import { type Protocol, randomMatch, randomProtocol } from './random-match.ts';

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
  const actions = randomInstructions(r, p, table);
  // Whose connection's tuple they look at is known.
  if (actions.includes(',ct)')) match.push(`ct_state=+trk${r.pick(['+new', '+est'])}`);
  return `${match.join(',')} actions=${actions}`;
}

/** Flows for whatever the others leave over, so that packets go through several tables, some of them again. */
export function randomWideLines(r: Random): string[] {
  return TABLES.flatMap((table) =>
    WIDE.map((p, i) => {
      const match = [`table=${table}`, `priority=${1 + i}`, ...(p.word === '' ? [] : [p.word])];
      const rest = randomInstructions(r, p, table);
      const first = r.chance(50) ? `${recirculating(r, p, table)},` : '';
      return `${match.join(',')} actions=${first}${rest === 'drop' ? 'output:3' : rest}`;
    }),
  );
}

const WIDE: readonly Protocol[] = [
  { word: '', network: 'none', l4: '' },
  { word: 'ip', network: 'ip', l4: '' },
  { word: 'ipv6', network: 'ipv6', l4: '' },
];

/** Actions that most times interrupt what follows, or copy the packet to a later table. */
function recirculating(r: Random, { network }: Protocol, table: number): string {
  const next = TABLES.find((t) => t > table) ?? 9;
  const anyhow = ['group:6', 'group:7', 'check_pkt_larger(100)->NXM_NX_REG0[0]'];
  const [from, zone] = [`table=${next}`, `zone=${r.below(4)}`];
  const tracked = [
    `ct(${from})`,
    `ct(${from},${zone})`,
    `ct(commit,${from},zone=NXM_NX_REG0[0..15])`,
    `ct(commit,${from},${zone},nat(${network === 'ip' ? 'src=10.0.0.240' : 'dst=fe80::9'}))`,
    `ct(commit,${from},exec(load:1->NXM_NX_CT_MARK[]))`,
    `ct(${zone}),ct(${from})`,
  ];
  return r.pick(network === 'none' ? anyhow : [...anyhow, ...tracked]);
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
