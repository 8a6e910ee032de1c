/** Sessions of `ovs-ofctl monitor` at random: how it is started, and what happens while it runs. */
import type { Random } from '@heddle/testing/random';

/** Something that happens to a switch (`ofctl`, `receive`), or a command to one of its monitors. */
export type Step =
  | { readonly kind: 'ofctl' | 'receive'; readonly words: readonly string[] }
  | { readonly kind: 'tell'; readonly who: number; readonly words: readonly string[] };

export interface Session {
  /** Of ovs-ofctl, `monitor` and its arguments among them. */
  readonly args: readonly string[];
  readonly steps: readonly Step[];
}

export const ofctl = (...words: string[]): Step => ({ kind: 'ofctl', words });
export const tell = (who: number, ...words: string[]): Step => ({ kind: 'tell', who, words });

/** Stands for a file of the monitor's own. */
export const FILE = 'FILE';

const ETH = 'eth(src=50:54:00:00:00:01,dst=50:54:00:00:00:02)';
const IP = `${ETH},eth_type(0x0800),ipv4(src=10.0.0.1,dst=10.0.0.2`;
const FRAMES = [
  `${ETH},eth_type(0x1234)`,
  `${IP},proto=6,tos=0,ttl=64,frag=no),tcp(src=8,dst=80)`,
  `${IP},proto=17,tos=0,ttl=1,frag=no),udp(src=8,dst=80)`,
  `${ETH},eth_type(0x8100),vlan(vid=5,pcp=1),encap(eth_type(0x1235))`,
];
const PACKET = '50540000000a505400000009123401';
const MATCHES = ['', 'ip,', 'udp,', 'dl_vlan=5,', 'in_port=1,', 'tcp,tp_dst=80,', 'table=1,'];
const FLAGS = ['', '', 'priority=5,', 'cookie=0x1234,', 'idle_timeout=10,', 'send_flow_rem,'];
const ACTIONS = [
  ...['drop', '1', 'NORMAL', 'controller:20', 'controller(reason=action)', 'controller(pause)'],
  ...['controller(userdata=01.02.03.ff)', 'controller(pause,userdata=aa.bb),2', 'exit'],
  ...['controller(meter_id=1)', 'load:5->NXM_NX_REG1[],resubmit(,1),controller', 'dec_ttl,2'],
  ...[
    'set_field:5->tun_id,controller',
    'clone(controller(pause)),2',
    'push_mpls:0x8847,controller',
  ],
  ...['conjunction(1,1/2)', 'note:00.11.22', 'ct(table=1)', 'output:NXM_NX_REG1[]'],
];
const SPECS = [
  ...['!initial', '!add', '!delete', '!modify', '!own', '!actions', 'table=0', 'table=255'],
  ...['table=foo', 'table=300', 'out_port=1', 'ip', 'in_port=p2', 'tcp,tp_dst=80', 'reg1=5'],
  ...['foo', '!foo', 'foo=bar', 'nw_src=1.2.3.4', 'cookie=1', 'add', 'out_port', '!initial=1'],
];
const WRONG = ['65536', '99999999999', '1x', '0x80', 'x', '', '+5', 'watch', 'Resume', '5 '];
const OPTIONS = ['-m', '--names', '--no-names', '--timestamp', '--read-only', '--no-stats'];
const FORMATS = ['standard', 'openflow10', 'nxt_packet_in', 'nxm', 'nxt_packet_in2', 'foo'];
const VERSIONS = [1, 2, 3, 4, 5, 6] as const;

export function randomSession(r: Random): Session {
  const version = r.pick(VERSIONS);
  const options = OPTIONS.filter(() => r.chance(0.2));
  if (r.chance(0.3)) options.push('-P', r.pick(FORMATS));
  const words = Array.from({ length: r.below(3) }, () =>
    r.chance(0.95)
      ? r.pick(['65534', '65534', '20', '0', 'invalid_ttl', 'resume', watch(r), watch(r)])
      : r.pick(WRONG),
  );
  return {
    args: ['-O', `OpenFlow1${version - 1}`, ...options, 'monitor', 'br0', ...words],
    steps: Array.from({ length: 4 + r.below(12) }, () => step(r, version)),
  };
}

function watch(r: Random): string {
  const parts = Array.from({ length: r.below(4) }, () => r.pick(SPECS.slice(0, r.pick([6, 99]))));
  return `watch:${parts.join(r.pick([',', ',', ' ', ',,']))}`;
}

function step(r: Random, version: number): Step {
  const match = r.pick(MATCHES);
  const mod = ['-O', 'OpenFlow14'];
  return r.pick<() => Step>([
    () => ({ kind: 'receive', words: [`p${1 + r.below(2)}`, r.pick(FRAMES)] }),
    () => ({ kind: 'receive', words: [`p${1 + r.below(2)}`, r.pick(FRAMES)] }),
    () => ofctl(...mod, 'add-flow', 'br0', `${r.pick(FLAGS)}${match}actions=${r.pick(ACTIONS)}`),
    () => ofctl(...mod, 'add-flow', 'br0', `${r.pick(FLAGS)}${match}actions=${r.pick(ACTIONS)}`),
    () => ofctl(...mod, 'mod-flows', 'br0', `${match}actions=${r.pick(ACTIONS)}`),
    () => ofctl(...mod, 'del-flows', 'br0', match),
    () => ofctl(...mod, 'mod-port', 'br0', 'p1', r.pick(['up', 'down', 'no-flood', 'flood'])),
    () => tell(r.below(2), 'ofctl/send', message(r, version)),
    () => tell(r.below(2), 'ofctl/packet-out', packetOut(r)),
    () => tell(r.below(2), ...r.pick(COMMANDS)),
  ])();
}

const COMMANDS: readonly (readonly string[])[] = [
  ['ofctl/barrier'],
  ['ofctl/block'],
  ['ofctl/unblock'],
  ['ofctl/unblock'],
  ['ofctl/set-output-file', FILE],
  ['ofctl/set-output-file', '/nonexistent/x'],
  ['ofctl/set-output-file', '/tmp'],
  ['ofctl/block', 'x'],
  ['ofctl/foo'],
  ['list-commands'],
  ['ofctl/send'],
];

function packetOut(r: Random): string {
  const port = r.pick(['1', 'CONTROLLER', 'NONE', 'p2', 'LOCAL', 'nosuch']);
  return r.pick([
    `in_port=${port} packet=${r.pick([PACKET, '', 'zz', 'abcd'])} actions=${r.pick(ACTIONS)}`,
    `in_port=${port} packet=${PACKET} ${r.pick(['reg0=5', 'metadata=4', 'tun_id=7'])} actions=2`,
    r.pick(['in_port=1', '', 'foo', `in_port=1 packet=${PACKET}`]),
  ]);
}

const hex = (n: number, bytes: number): string => n.toString(16).padStart(2 * bytes, '0');

/** In hexadecimal; a few are no messages. */
function message(r: Random, version: number): string {
  const of = (type: number, body: string): string =>
    `${hex(version, 1)}${hex(type, 1)}${hex(8 + body.length / 2, 2)}00000123${body}`;
  const mask = (): string => hex(r.pick([0, 1, 3, 7]), 4);
  return r.pick([
    () => of(2, r.pick(['', '0102'])),
    () => of(version === 1 ? 18 : 20, ''),
    () => of(4, `000023200000000a${hex(r.below(3), 4)}`),
    () => of(4, `0000232000000013${mask()}${mask()}${mask()}${mask()}${mask()}${mask()}`),
    () => of(9, `${hex(r.pick([0, 4]), 2)}${hex(r.pick([0, 64, 65535]), 2)}`),
    () => r.pick(['', '00', 'zz', '0104', '0402ffff00000001', '010400080000000', '04:04']),
    () => `${of(2, '')} `,
  ])();
}
