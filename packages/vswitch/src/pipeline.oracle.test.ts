/** Flow tables beside Open vSwitch's: random flows and packets through ofproto/trace. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { describe, it } from 'node:test';
import { formatOdpFlow } from '@heddle/datapath';
import { Random } from '@heddle/datapath/oracle/random-frame';
import { type FlowMod, OfpError, parseTlvMap } from '@heddle/openflow';
import { extractFlow, type Flow } from '@heddle/packet';
import { HeddleError, realClock } from '@heddle/runtime';
import { MacLearning } from './mac-learning.ts';
import { FlowChanges } from './ofproto/flow-changes.ts';
import { applyFlowMod } from './ofproto/flow-mod.ts';
import { Meter } from './ofproto/meter.ts';
import { RecircIds } from './ofproto/recirc.ts';
import { changeTlvTable } from './ofproto/tlv.ts';
import { Bundle, OfPort, Ofproto, type XlateConfig } from './ofproto.ts';
import { comparableTrace, isBeyondCompare, picksOf } from './oracle/compare-trace.ts';
import { TestController } from './oracle/controller.ts';
import { parseFlowLine, parseGroupLine } from './oracle/parse-lines.ts';
import { GROUP_LINES } from './oracle/random-actions.ts';
import { N_PORTS, randomFlowLine, TLV_MAP } from './oracle/random-flows.ts';
import { randomFlowText } from './oracle/random-match.ts';
import { randomPacket } from './oracle/random-packet.ts';
import { type OraclePort, oracleInstalled, SwitchOracle } from './oracle/switch-oracle.ts';
import { parseOpenFlowFlow } from './trace/flow-parse.ts';
import { traceAll } from './trace/trace.ts';

const COUNT = Number(process.env['HEDDLE_COUNT'] ?? 8);
const SEED = Number(process.env['HEDDLE_SEED'] ?? 1);
const FLOWS = Number(process.env['HEDDLE_FLOWS'] ?? 40);
const PACKETS = 40;

function buildBridge(ports: readonly OraclePort[]): { bridge: Ofproto; config: XlateConfig } {
  const bridge = new Ofproto('br0', new MacLearning<Bundle>(realClock));
  const byOdp = new Map<number, OfPort>();
  for (const { name, ofport, odpPort } of ports) {
    const bundle = new Bundle(name, bridge);
    const port = new OfPort(name, ofport, bundle);
    port.odpPort = odpPort;
    bundle.ports.push(port);
    bridge.bundles.set(name, bundle);
    bridge.ports.set(ofport, port);
    if (odpPort !== undefined) byOdp.set(odpPort, port);
  }
  const recirc = new RecircIds(() => 0);
  changeTlvTable(bridge, 'add', parseTlvMap(TLV_MAP));
  const bands = [{ type: 'drop' as const, rate: 10, burstSize: 0, precLevel: 0 }];
  for (const meterId of [1, 2])
    bridge.meters.set(meterId, new Meter({ meterId, flags: 1, bands }, 0));
  for (const line of GROUP_LINES) bridge.groups.set(...parseGroupLine(line));
  const portOf = (odp: number) => byOdp.get(odp);
  return { bridge, config: { vlanLimit: 1, portOf, recirc, computesHash: true } };
}

/** Why a flow mod is refused. */
function refusal(bridge: Ofproto, mod: FlowMod): string | undefined {
  const changes = new FlowChanges(bridge);
  try {
    applyFlowMod(changes, mod, 0, 4);
  } catch (error) {
    changes.revert();
    if (error instanceof OfpError) return error.ofpErr;
    throw error;
  }
  return undefined;
}

function randomFlows(r: Random): { lines: string[]; mods: FlowMod[] } {
  const lines: string[] = [];
  const mods: FlowMod[] = [];
  while (lines.length < FLOWS) {
    const line = randomFlowLine(r);
    try {
      mods.push(parseFlowLine(line));
      lines.push(line);
    } catch (error) {
      // Instructions in an order that they cannot have, for one.
      if (!(error instanceof HeddleError)) throw error;
    }
  }
  return { lines, mods };
}

/** A packet in the datapath's words or, with registers and tunnels, in OpenFlow's. */
function packet(r: Random, bridge: Ofproto, ports: readonly OraclePort[]) {
  if (r.chance(40)) {
    const port = r.pick(ports);
    const key = extractFlow(randomPacket(r), { inPort: port.odpPort! });
    return { words: [formatOdpFlow(key)], key, ofport: port.ofport, entry: undefined };
  }
  const text = randomFlowText(r);
  const { flow, ofport } = parseOpenFlowFlow(text, () => undefined, bridge.tlv);
  flow.inPort = bridge.ports.get(ofport)!.odpPort!;
  return { words: ['br0', text], key: flow, ofport, entry: { bridge, ofport } };
}

function ours(
  config: XlateConfig,
  key: Flow,
  p: ReturnType<typeof packet>,
  picks: number[],
): string {
  const left = picks.slice();
  const pick = () => left.shift();
  const { entry, ofport } = p;
  return comparableTrace(
    traceAll(config, key, ofport, { pick, ...(entry && { entry }) }).text,
    key,
  );
}

describe('flow tables, beside Open vSwitch', { skip: !oracleInstalled() }, () => {
  it('traces random packets through random flows alike', async () => {
    using oracle = new SwitchOracle();
    const env = { ...process.env, OVS_RUNDIR: oracle.dir };
    const ofctl = (version: string, ...args: string[]) => {
      const all = ['-O', version, ...args];
      const { status, stderr } = spawnSync('/usr/bin/ovs-ofctl', all, { env, timeout: 10_000 });
      assert.equal(status, 0, String(stderr));
    };
    const add = ['add-br', 'br0', '--', 'set', 'bridge', 'br0'];
    add.push('datapath_type=dummy', 'fail-mode=secure');
    for (let i = 1; i <= N_PORTS; i++) {
      add.push('--', 'add-port', 'br0', `p${i}`, '--', 'set', 'interface', `p${i}`);
      add.push('type=dummy', `ofport_request=${i}`);
    }
    oracle.vsctl(...add);
    const numbers = await oracle.ports();
    ofctl('OpenFlow13', 'add-tlv-map', 'br0', TLV_MAP);
    for (const id of [1, 2])
      ofctl('OpenFlow13', 'add-meter', 'br0', `meter=${id},kbps,band=type=drop,rate=10`);
    for (const line of GROUP_LINES) ofctl('OpenFlow15', 'add-group', 'br0', line);
    using controller = await TestController.open(`unix:${oracle.dir}/br0.mgmt`, 4);
    let [pairs, differences] = [0, 0];
    for (let n = 0; n < COUNT; n++) {
      const r = new Random(SEED * 100_000 + n);
      const { bridge, config } = buildBridge(numbers);
      const { lines, mods } = randomFlows(r);
      const all = { ...parseFlowLine('table=0,actions=drop'), tableId: 255 };
      await controller.flowMods([{ ...all, command: 'delete' }]);
      const taken = await controller.flowMods(mods);
      for (const [i, mod] of mods.entries()) {
        const mine = refusal(bridge, mod);
        assert.equal(mine === undefined, taken[i], `${lines[i]}: ${mine}`);
      }
      for (let k = 0; k < PACKETS; k++) {
        const p = packet(r, bridge, numbers);
        const reply = await oracle.appctl('ofproto/trace', ...p.words);
        if (isBeyondCompare(reply)) continue;
        const theirs = comparableTrace(reply, p.key);
        const mine = ours(config, p.key, p, picksOf(reply));
        pairs += FLOWS;
        if (mine === theirs) continue;
        const where = `seed ${SEED * 100_000 + n}, packet ${k}: ${p.words.join(' ')}`;
        const text = `${where}\n--- ours\n${mine}\n--- theirs\n${theirs}`;
        if (process.env['HEDDLE_KEEP_GOING'] === undefined)
          assert.fail(`${lines.join('\n')}\n${text}`);
        console.log(`=====DIFF ${text}\n${lines.join('\n')}`);
        differences++;
      }
      if (n % 100 === 99) console.log(`${pairs} pairs, ${differences} differences`);
    }
    assert.equal(differences, 0, `${pairs} pairs`);
  });
});
