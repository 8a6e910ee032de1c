/** Flow tables with helpers of connection tracking; frames tell what tracking found, as in conntrack-flows.ts. */
import { type CtScenario, tellState } from './conntrack-flows.ts';

export interface HelperScenario extends CtScenario {
  readonly helper: 'ftp' | 'tftp';
  readonly v6: boolean;
  /** What the server sees the client as, and what the client takes the server for. */
  readonly clientAs?: string;
  readonly serverAs?: string;
}

type Families = readonly ('tcp' | 'tcp6' | 'udp' | 'udp6')[];

function tables(families: Families, first: string, second: string): string[] {
  return [
    ...families.flatMap((p) => [
      `table=0,priority=10,in_port=1,${p},tp_dst=${p.startsWith('udp') ? 69 : 21} actions=${first}`,
      `table=0,priority=5,in_port=1,${p} actions=${first.replace(/alg=\w+,/, '')}`,
      `table=0,priority=10,in_port=2,${p} actions=${second}`,
    ]),
    ...tellState(1, 10, '', ''),
  ];
}

/** As a firewall does it: what is new is looked at before it is committed. */
function firewall(p: Families[number], commit: string, related: string): string[] {
  return [
    `table=0,priority=10,${p},ct_state=-trk actions=ct(nat,table=2)`,
    `table=2,priority=20,${p},tp_dst=${p === 'udp' ? 69 : 21},ct_state=+new-rel+trk,in_port=1 actions=${commit}`,
    `table=2,priority=15,${p},ct_state=+new-rel+trk,in_port=1 actions=${commit.replace(/alg=\w+,/, '')}`,
    `table=2,priority=20,${p},ct_state=+new+rel+trk actions=${related}`,
    'table=2,priority=10 actions=resubmit(,1)',
    ...tellState(1, 10, '', ''),
  ];
}

const MARKS = 'exec(set_field:0x77->ct_mark,set_field:0x99->ct_label)';
const OTHER_MARKS = 'exec(set_field:0x1100/0xff00->ct_mark,set_field:0x5->ct_label)';
const FTP: Families = ['tcp', 'tcp6'];
const TFTP: Families = ['udp', 'udp6'];

function plain(helper: 'ftp' | 'tftp', families: Families): HelperScenario[] {
  const scenarios = [
    {
      name: 'uncommitted',
      flows: tables(families, `ct(commit,alg=${helper},table=1)`, 'ct(table=1)'),
    },
    {
      name: 'marks',
      flows: tables(
        families,
        `ct(commit,zone=5,alg=${helper},table=1,${MARKS})`,
        `ct(commit,zone=5,table=1,${OTHER_MARKS})`,
      ),
    },
  ];
  return [false, true].flatMap((v6) =>
    scenarios.map((s) => ({
      ...s,
      name: `${helper}, ${s.name}, ${v6 ? 'IPv6' : 'IPv4'}`,
      helper,
      v6,
    })),
  );
}

function translated(helper: 'ftp' | 'tftp', p: 'tcp' | 'udp'): HelperScenario[] {
  const nat = (what: string) => `ct(commit,alg=${helper},nat(${what}),table=1)`;
  const related = 'ct(commit,nat,table=1)';
  const common = { helper, v6: false };
  return [
    {
      ...common,
      name: `${helper}, snat`,
      flows: firewall(p, nat('src=10.9.0.1'), related),
      clientAs: '10.9.0.1',
    },
    {
      ...common,
      name: `${helper}, dnat`,
      flows: firewall(p, nat('dst=10.0.0.2'), related),
      serverAs: '10.0.0.9',
    },
  ];
}

export const HELPER_SCENARIOS: readonly HelperScenario[] = [
  ...plain('ftp', FTP),
  ...translated('ftp', 'tcp'),
  ...plain('tftp', TFTP),
  ...translated('tftp', 'udp'),
];
