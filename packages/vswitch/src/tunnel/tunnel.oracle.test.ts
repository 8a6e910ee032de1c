/** Tunnels beside Open vSwitch's, as its kernel datapath would have them: random ports and packets. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseOdpFlow } from '@heddle/datapath';
import { Random } from '@heddle/datapath/oracle/random-frame';
import { oracleInstalled } from '@heddle/datapath/oracle/reference-daemons';
import { realClock } from '@heddle/runtime';
import { MacLearning } from '../mac-learning.ts';
import { FlowChanges } from '../ofproto/flow-changes.ts';
import { applyFlowMod } from '../ofproto/flow-mod.ts';
import { RecircIds } from '../ofproto/recirc.ts';
import { Bundle, OfPort, Ofproto, type XlateConfig } from '../ofproto.ts';
import { parseFlowLine } from '../oracle/parse-lines.ts';
import { SwitchOracle } from '../oracle/switch-oracle.ts';
import { trace } from '../trace/trace.ts';
import { isTunnelType, parseTunnelOptions, tunnelConfigText } from './config.ts';
import { TunnelPorts, tunnelLine } from './ports.ts';

const COUNT = Number(process.env['HEDDLE_COUNT'] ?? 3);
const SEED = Number(process.env['HEDDLE_SEED'] ?? 1);
const PACKETS = 40;
const TUNNELS = 6;
const REMOTES = ['10.0.0.1', '10.0.0.2', 'fd00::1', 'fd00::2'];
const LOCALS = ['10.0.0.8', '10.0.0.9', 'fd00::8', 'fd00::9'];
const WORDS = ['tun_src', 'tun_dst', 'tun_ipv6_src', 'tun_ipv6_dst', 'reg1'];
const KEYS = ['0', '1', '5', '0x10', 'flow'];

interface Spec {
  readonly name: string;
  readonly type: string;
  readonly ofport: number;
  readonly options: ReadonlyMap<string, string>;
}

function randomTunnel(r: Random, n: number): Spec {
  const options = new Map<string, string>();
  const maybe = (percent: number, name: string, values: readonly string[]) => {
    if (r.chance(percent)) options.set(name, r.pick(values));
  };
  const isFlow = r.chance(30);
  options.set('remote_ip', isFlow ? 'flow' : r.pick(REMOTES));
  maybe(40, 'local_ip', isFlow ? ['10.0.0.8', '10.0.0.9', 'flow'] : LOCALS);
  maybe(60, 'key', KEYS);
  maybe(20, 'in_key', KEYS);
  maybe(20, 'out_key', KEYS);
  maybe(30, 'tos', ['inherit', '0x20', '136', '0x3', 'x']);
  maybe(30, 'ttl', ['inherit', '1', '300', 'x']);
  maybe(20, 'df_default', ['false', 'true']);
  maybe(20, 'csum', ['true', 'false']);
  maybe(20, 'egress_pkt_mark', ['5', '0']);
  const type = r.pick(['vxlan', 'vxlan', 'geneve', 'gre', 'erspan']);
  if (type === 'vxlan' || type === 'geneve') maybe(20, 'dst_port', ['4790', '4789']);
  if (type === 'gre') maybe(30, 'seq', ['true', 'false']);
  else maybe(10, 'packet_type', ['legacy_l2', 'legacy_l3', 'l2']);
  if (type === 'erspan') {
    maybe(90, 'erspan_ver', ['1', '1', '2', '2', 'flow', '3']);
    maybe(50, 'erspan_idx', ['3', '10', '0xabcde', 'fffff', 'flow', '0x100000']);
    maybe(50, 'erspan_dir', ['0', '1', 'flow', '2']);
    maybe(50, 'erspan_hwid', ['7', '0x7', '11', 'f', 'flow', '0x40']);
    // Which of the two Open vSwitch heeds hangs on what other options there are.
    if (options.get('erspan_ver') === 'flow') options.delete('erspan_idx');
  }
  return { name: `t${n}`, type, ofport: 10 + n, options };
}

/** The datapath's port that a refused tunnel would have shared: that of its type and UDP port. */
function sharedOdpPort(
  specs: readonly Spec[],
  odpPorts: ReadonlyMap<string, number>,
  { type, options }: Spec,
): number {
  const dstPort = options.get('dst_port');
  const other = specs.find(
    (s) => s.type === type && s.options.get('dst_port') === dstPort && odpPorts.has(s.name),
  );
  return other === undefined ? -1 : odpPorts.get(other.name)!;
}

/** Our bridge with the tunnels that the other has, in the same places. */
function build(specs: readonly Spec[], odpPorts: ReadonlyMap<string, number>) {
  const bridge = new Ofproto('br0', new MacLearning<Bundle>(realClock));
  const byOdp = new Map<number, OfPort>();
  const tunnels = new TunnelPorts();
  const refused = new Map<string, string>();
  const enter = (name: string, ofport: number) => {
    const bundle = new Bundle(name, bridge);
    const port = new OfPort(name, ofport, bundle);
    port.odpPort = odpPorts.get(name);
    bundle.ports.push(port);
    return port;
  };
  for (const spec of specs) {
    const { name, type, ofport, options } = spec;
    const port = enter(name, ofport);
    if (isTunnelType(type)) {
      const { config, errors } = parseTunnelOptions(name, type, options);
      const duplicate = 'could not add network device';
      let isTaken = false;
      const odpPort = port.odpPort ?? sharedOdpPort(specs, odpPorts, spec);
      if (config && !tunnels.add(port, odpPort, config, () => (isTaken = true))) {
        refused.set(name, duplicate);
      }
      if (!config) refused.set(name, errors.join('\n'));
      assert.equal(isTaken, refused.get(name) === duplicate);
      if (!config || isTaken || port.odpPort === undefined) continue;
      port.tunnel = config;
    } else if (port.odpPort !== undefined) byOdp.set(port.odpPort, port);
    bridge.ports.set(ofport, port);
  }
  const config: XlateConfig = {
    vlanLimit: 1,
    portOf: (odp) => byOdp.get(odp),
    tunnels,
    recirc: new RecircIds(() => 0),
  };
  return { bridge, config, tunnels, refused };
}

function randomActions(r: Random): string {
  const writes = [
    () => `set_tunnel:${r.below(100)}`,
    () => `set_field:${r.pick(['10.0.0.1', '1.2.3.4', '0.0.0.0'])}->tun_dst`,
    () => `set_field:${r.pick(['10.0.0.9', '1.2.3.5', '0.0.0.0'])}->tun_src`,
    () => `set_field:${r.pick(['fd00::1', 'fd01::4', '::'])}->tun_ipv6_dst`,
    () => `set_field:${r.pick(['fd00::9', 'fd01::5'])}->tun_ipv6_src`,
    () => `set_field:10.9.0.7/0.255.0.255->tun_${r.pick(['src', 'dst'])}`,
    () => `set_field:fd00::7/fff0::f->tun_ipv6_${r.pick(['src', 'dst'])}`,
    () => `load:${r.below(0x100)}->${r.pick(WORDS)}[${8 * r.below(3)}..${23 + r.below(8)}]`,
    () => {
      const [from, to] = [r.pick(WORDS), r.pick(WORDS)];
      const [at, there, more] = [r.below(16), r.below(16), r.below(16)];
      return `move:${from}[${at}..${at + more}]->${to}[${there}..${there + more}]`;
    },
    () => 'mod_dl_src:02:00:00:00:00:77',
    () => `set_field:${1 + r.below(2)}->tun_erspan_ver`,
    () => `set_field:${r.below(0x100000)}->tun_erspan_idx`,
    () => `set_field:${r.below(2)}->tun_erspan_dir`,
    () => `set_field:${r.below(16)}->tun_erspan_hwid`,
    () => `set_field:${r.below(9)}->pkt_mark`,
  ];
  const ports = [1, ...Array.from({ length: TUNNELS }, (_, i) => 11 + i)];
  const list = Array.from({ length: 1 + r.below(5) }, () =>
    r.chance(40) ? r.pick(writes)() : `output:${r.pick(ports)}`,
  );
  return `${list.join(',')},output:${r.pick(ports)}`;
}

/** What a packet came by, in both notations. */
function randomOuter(r: Random, spec: Spec, odpPort: number): string {
  const v6 = r.chance(30);
  const family = (list: readonly string[]) => r.pick(list.filter((a) => a.includes(':') === v6));
  const name = v6 ? 'ipv6_' : '';
  const flags = r.pick(['key', 'df|key', 'csum|key']);
  const id = r.pick([0, 1, 5, 16, 99]);
  const tos = r.pick(['', '', ',tos=0x3', ',tos=0x20', ',tos=0x1']);
  const outer = `tun_id=0x${id.toString(16)},${name}src=${family(REMOTES)},${name}dst=${family(LOCALS)}`;
  const port = spec.type === 'gre' || spec.type === 'erspan' ? '' : `,tp_dst=${odpPort}`;
  return `tunnel(${outer}${tos},ttl=64${port},flags(${flags}))`;
}

/** Without a header that is there already: Open vSwitch sets it anew when fields differ that are not sent. */
function withoutRepeated(actions: string): string {
  let last = '';
  return actions.replaceAll(/(set\(tunnel\(.*?\)\)),(?=\w)/g, (all, header: string) => {
    const isRepeated = header === last;
    last = header;
    return isRepeated ? '' : all;
  });
}

/** Congestion alone is written, of a TOS that may have been looked at whole. */
function writtenBits(_: string, tos: string): string {
  return `set(ipv4(tos=0x${(Number(tos) & 3).toString(16)}/0x3))`;
}

/** Ours look at the protocol, too, where congestion is noted: there is no IP header without one. */
function comparable(text: string): string {
  return (
    text
      .split('\n')
      .filter((l) => /^(Final flow|Megaflow|Datapath actions)/.test(l) || /^ {5}(->|>>)/.test(l))
      .join('\n')
      // Its masks leave flags open that go on with the packet.
      .replace(/(tun_flags=\S*?)([-+](oam|crit|seq))+/, '$1')
      .replace(/eth,(udp|icmp),/, 'eth,ip,')
      .replaceAll(/set\(ipv4\(tos=(0x[0-9a-f]+)\)\)/g, writtenBits)
      .replace(/^Datapath actions: .*$/m, withoutRepeated)
  );
}

describe('tunnels, beside Open vSwitch', { skip: !oracleInstalled() }, () => {
  it('are configured, told apart and written alike', async () => {
    using oracle = new SwitchOracle({ tunnels: true });
    for (let n = 0; n < COUNT; n++) {
      const r = new Random(SEED * 1000 + n);
      oracle.clear();
      const specs: Spec[] = [{ name: 'p1', type: 'dummy', ofport: 1, options: new Map() }];
      for (let i = 1; i <= TUNNELS; i++) specs.push(randomTunnel(r, i));
      const words = ['add-br', 'br0', '--', 'set', 'bridge', 'br0', 'datapath_type=dummy'];
      oracle.vsctl(...words, 'fail_mode=secure');
      for (const { name, type, ofport, options } of specs) {
        const set = [`type=${type}`, `ofport_request=${ofport}`];
        // A value with a colon needs quotes.
        for (const [key, value] of options) set.push(`options:${key}="${value}"`);
        try {
          oracle.vsctl('add-port', 'br0', name, '--', 'set', 'interface', name, ...set);
        } catch {
          // Refused: the error is in the database.
        }
      }
      await oracle.appctl('dpif/set-dp-features', 'br0', 'tnl_push_pop', 'false');
      const show = await oracle.appctl('dpif/show');
      const odpPorts = new Map<string, number>();
      for (const [, name, odp] of show.matchAll(/^ {4}(\S+) \d+\/(\d+):/gm)) {
        odpPorts.set(name!, Number(odp));
      }
      const ours = build(specs, odpPorts);
      const where = `seed ${SEED}, round ${n}`;
      for (const { name, type, options } of specs) {
        if (!isTunnelType(type)) continue;
        const { config } = parseTunnelOptions(name, type, options);
        const line = new RegExp(`^ {4}${name} \\d+/\\d+: \\((.*)\\)$`, 'm').exec(show)?.[1];
        const isIn = config !== undefined && !ours.refused.has(name);
        assert.equal(
          line !== undefined,
          isIn,
          `${where}: ${type} ${name} ${[...options].join(' ')}\n${show}`,
        );
        // `flow` one way beside a key of 0 the other way is shown there as `key=0`.
        const isMixed = (config?.inKey === 'flow') !== (config?.outKey === 'flow');
        if (isIn && !isMixed) assert.equal(`${type}: ${tunnelConfigText(config)}`, line, where);
      }
      const lines = [...ours.tunnels.entries()].map(tunnelLine).sort();
      const theirs = (await oracle.appctl('ofproto/list-tunnels')).split('\n').filter(Boolean);
      assert.deepEqual(lines, theirs.sort(), where);

      for (let k = 0; k < PACKETS; k++) {
        const actions = randomActions(r);
        const flow = `table=0,priority=${k + 1},actions=${actions}`;
        oracle.ofctl('add-flow', 'br0', flow);
        applyFlowMod(new FlowChanges(ours.bridge), parseFlowLine(flow), 0, 4);
        const spec = r.pick(specs.filter((s) => isTunnelType(s.type) && odpPorts.has(s.name)));
        const inner = r.pick([
          'eth_type(0x0800),ipv4(src=1.1.1.1,dst=2.2.2.2,proto=17,tos=0x2a,ttl=9,frag=no),udp(src=1,dst=2)',
          'eth_type(0x0800),ipv4(src=1.1.1.1,dst=2.2.2.2,proto=1,tos=0,ttl=3,frag=no),icmp(type=8,code=0)',
          'eth_type(0x0800),ipv4(src=1.1.1.1,dst=2.2.2.2,proto=1,tos=0x3,ttl=1,frag=no),icmp(type=8,code=0)',
          'eth_type(0x1234)',
        ]);
        const eth = 'eth(src=02:00:00:00:00:01,dst=02:00:00:00:00:02)';
        const inPort = r.chance(60) ? odpPorts.get(spec.name)! : odpPorts.get('p1')!;
        const outer = inPort === odpPorts.get('p1') ? '' : `${randomOuter(r, spec, inPort)},`;
        const text = `${outer}recirc_id(0),in_port(${inPort}),${eth},${inner}`;
        const answer = await oracle.appctl('ofproto/trace', text);
        const { key } = parseOdpFlow(text);
        const port = outer === '' ? ours.bridge.ports.get(1) : ours.tunnels.receive(key);
        const at = `${where}, packet ${k}: ${text} actions=${actions}\n${answer}`;
        if (!port) {
          assert.doesNotMatch(answer, /^Datapath actions/m, at);
          continue;
        }
        const mine = trace(ours.config, key, port.ofport).text;
        assert.equal(comparable(mine), comparable(answer), `${at}\n${mine}`);
      }
    }
  });
});
