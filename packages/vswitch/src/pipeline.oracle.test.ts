/** Flow tables beside Open vSwitch's: random flows and packets through ofproto/trace. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { describe, it } from 'node:test';
import { formatOdpFlow } from '@heddle/datapath';
import { Random } from '@heddle/datapath/oracle/random-frame';
import { type FlowMod, OfpError } from '@heddle/openflow';
import { extractFlow } from '@heddle/packet';
import { HeddleError, realClock } from '@heddle/runtime';
import { MacLearning } from './mac-learning.ts';
import { FlowChanges } from './ofproto/flow-changes.ts';
import { applyFlowMod } from './ofproto/flow-mod.ts';
import { RecircIds } from './ofproto/recirc.ts';
import { Bundle, OfPort, Ofproto, type XlateConfig } from './ofproto.ts';
import { TestController } from './oracle/controller.ts';
import { parseFlowLine, parseGroupLine } from './oracle/parse-lines.ts';
import { GROUP_LINES, N_PORTS, randomFlowLine } from './oracle/random-flows.ts';
import { randomPacket } from './oracle/random-packet.ts';
import { type OraclePort, oracleInstalled, SwitchOracle } from './oracle/switch-oracle.ts';
import { traceAll } from './trace/trace.ts';

const COUNT = Number(process.env['HEDDLE_COUNT'] ?? 8);
const SEED = Number(process.env['HEDDLE_SEED'] ?? 1);
const FLOWS = 25;
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
  return { bridge, config: { vlanLimit: 1, portOf: (odp) => byOdp.get(odp), recirc } };
}

/** Numbers that each side gives as it likes, outputs of one flood in one order. */
function comparable(text: string): string {
  return (
    text
      .replaceAll(/^Megaflow: .*$/gm, '')
      .replaceAll(/recirc(_id=|\()(0x)?[0-9a-f]+/g, 'recirc$1N')
      .replaceAll(/dont_send=./g, '')
      // Which bits of an address are written depends on what else was looked at; the final flow tells.
      .replaceAll(
        /(src|dst)=[0-9a-f.:]+\/[0-9a-f.:]+|(?<=set\(ipv[46]\([^)]*)(src|dst)=[0-9a-f.:]+/g,
        '$1$2',
      )
      // Its datapath cannot rewrite ARP, ours can.
      .replaceAll(/^This flow is handled by the userspace slow path because it:\n.*- Uses.*$/gm, '')
      .replace(
        /^(Datapath actions: )(.*)$/gm,
        (_, head: string, actions: string) => head + sortRuns(actions),
      )
      .trim()
  );
}

/** Sorts runs of plain outputs. */
function sortRuns(actions: string): string {
  return actions.replaceAll(/(?<![\w=(.-])\d+(,\d+)+(?![\w=(.])/g, (run) =>
    run.split(',').sort().join(','),
  );
}

/** Why a flow mod is refused. */
function refusal(bridge: Ofproto, mod: FlowMod): string | undefined {
  try {
    applyFlowMod(new FlowChanges(bridge), mod, 0, 4);
  } catch (error) {
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

describe('flow tables, beside Open vSwitch', { skip: !oracleInstalled() }, () => {
  it('traces random packets through random flows alike', async () => {
    using oracle = new SwitchOracle();
    const env = { ...process.env, OVS_RUNDIR: oracle.dir };
    const ofctl = (...args: string[]) =>
      spawnSync('/usr/bin/ovs-ofctl', ['-O', 'OpenFlow13', ...args], { env, timeout: 10_000 });
    const add = [
      'add-br',
      'br0',
      '--',
      'set',
      'bridge',
      'br0',
      'datapath_type=dummy',
      'fail-mode=secure',
    ];
    for (let i = 1; i <= N_PORTS; i++) {
      add.push('--', 'add-port', 'br0', `p${i}`, '--', 'set', 'interface', `p${i}`);
      add.push('type=dummy', `ofport_request=${i}`);
    }
    oracle.vsctl(...add);
    const numbers = await oracle.ports();
    for (const line of GROUP_LINES) assert.equal(ofctl('add-group', 'br0', line).status, 0);
    using controller = await TestController.open(`unix:${oracle.dir}/br0.mgmt`, 4);
    for (let n = 0; n < COUNT; n++) {
      const r = new Random(SEED * 1000 + n);
      const { bridge, config } = buildBridge(numbers);
      for (const line of GROUP_LINES) bridge.groups.set(...parseGroupLine(line));
      const { lines, mods } = randomFlows(r);
      const all = { ...parseFlowLine(' actions=drop'), tableId: 255 };
      await controller.flowMods([{ ...all, command: 'delete' }]);
      const taken = await controller.flowMods(mods);
      for (const [i, mod] of mods.entries()) {
        const mine = refusal(bridge, mod);
        assert.equal(mine === undefined, taken[i], `${lines[i]}: ${mine}`);
      }
      for (let k = 0; k < PACKETS; k++) {
        const port = r.pick(numbers);
        const key = extractFlow(randomPacket(r), { inPort: port.odpPort! });
        const text = formatOdpFlow(key);
        const theirs = comparable(await oracle.appctl('ofproto/trace', text));
        const mine = comparable(traceAll(config, key, port.ofport).text);
        const where = () => `seed ${SEED * 1000 + n}, packet ${k}: ${text}\n${lines.join('\n')}`;
        if (mine !== theirs) assert.fail(`${where()}\n--- ours\n${mine}\n--- theirs\n${theirs}`);
      }
    }
  });
});
