/**
 * The invariant of megaflows through flow tables: what a translation did not look at does not
 * matter.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatOdpActions } from '@heddle/datapath';
import { Random } from '@heddle/datapath/oracle/random-frame';
import { parseTlvMap } from '@heddle/openflow';
import {
  clearTunnelFields,
  ETH_P_8021Q,
  extractFlow,
  type Flow,
  isTunnelled,
  VLAN_CFI,
} from '@heddle/packet';
import { FakeClock, HeddleError, realClock } from '@heddle/runtime';
import { NetFlow } from './export/netflow.ts';
import { ETH_P_SLOW } from './lacp/pdu.ts';
import { MacLearning } from './mac-learning.ts';
import { FlowChanges } from './ofproto/flow-changes.ts';
import { applyFlowMod } from './ofproto/flow-mod.ts';
import { RecircIds } from './ofproto/recirc.ts';
import { changeTlvTable } from './ofproto/tlv.ts';
import { type BridgeExports, Bundle, OfPort, Ofproto, type XlateConfig } from './ofproto.ts';
import { parseFlowLine, parseGroupLine } from './oracle/parse-lines.ts';
import { GROUP_LINES } from './oracle/random-actions.ts';
import { bondRandomly } from './oracle/random-bonds.ts';
import { N_PORTS, randomFlowLine, TLV_MAP } from './oracle/random-flows.ts';
import { randomFlowText } from './oracle/random-match.ts';
import { randomPacket } from './oracle/random-packet.ts';
import { MACS } from './oracle/random-switch.ts';
import { parseOpenFlowFlow } from './trace/flow-parse.ts';
import type { TunnelConfig } from './tunnel/config.ts';
import { type XlateResult, xlateActions } from './xlate.ts';

const COUNT = Number(process.env['HEDDLE_COUNT'] ?? 40);
const SEED = Number(process.env['HEDDLE_SEED'] ?? 1);
const FLOWS = 30;
const PACKETS = 20;

const GENEVE: TunnelConfig = {
  type: 'geneve',
  remote: 'flow',
  local: undefined,
  inKey: 'flow',
  outKey: 'flow',
  dstPort: 6081,
  ttl: 'inherit',
  tos: 'inherit',
  dontFragment: true,
  csum: false,
  seq: false,
  gbp: false,
  erspan: { ver: 0, idx: 0, dir: 0, hwid: 0 },
  egressPktMark: undefined,
};

function randomBridge(r: Random): XlateConfig {
  const bridge = new Ofproto('br0', new MacLearning<Bundle>(realClock));
  const byOdp = new Map<number, OfPort>();
  const isBonded = r.chance(50);
  for (let i = 1; i <= N_PORTS; i++) {
    const name = isBonded && i > 2 ? 'bond0' : `p${i}`;
    const bundle = bridge.bundles.get(name) ?? new Bundle(name, bridge);
    const port = new OfPort(`p${i}`, i, bundle);
    port.odpPort = i;
    bundle.ports.push(port);
    bridge.bundles.set(bundle.name, bundle);
    bridge.ports.set(i, port);
    byOdp.set(i, port);
  }
  if (r.chance(40)) bridge.ports.get(1)!.tunnel = GENEVE;
  const bundles = [...bridge.bundles.values()];
  if (isBonded) bondRandomly(r, bridge.bundles.get('bond0')!);
  for (const mac of MACS) {
    if (r.chance(40)) bridge.macs.addStatic(r.pick([0, 5, 6]), mac, r.pick(bundles));
  }
  changeTlvTable(bridge, 'add', parseTlvMap(TLV_MAP));
  for (const line of GROUP_LINES) bridge.groups.set(...parseGroupLine(line));
  for (let i = 0; i < FLOWS; i++) {
    try {
      applyFlowMod(new FlowChanges(bridge), parseFlowLine(randomFlowLine(r)), 0, 4);
    } catch (error) {
      if (!(error instanceof HeddleError)) throw error;
    }
  }
  bridge.exports = randomExports(r);
  const recirc = new RecircIds(() => 0);
  const computesHash = r.chance(50);
  return { vlanLimit: 1 + r.below(2), portOf: (odp) => byOdp.get(odp), recirc, computesHash };
}

/** Collectors for samples and NetFlow; nothing is sent. */
function randomExports(r: Random): BridgeExports {
  const probability = r.pick([0x8000_0000, 0xffff_ffff]);
  const settings = { targets: [], engineType: 0, engineId: 0 };
  const netflow = { ...settings, activeTimeoutMs: -1, addIdToInterface: false };
  return {
    ...(r.chance(25) && { sflow: { probability, ifindex: (port) => port.ofport } }),
    ...(r.chance(25) && { ipfix: { probability, input: r.chance(70), output: r.chance(70) } }),
    hasCollectorSets: r.chance(50),
    ...(r.chance(25) && { netflow: new NetFlow(netflow, new FakeClock()) }),
  };
}

/** What NetFlow tells packets apart by, and where they go. */
function netflowOf({ effects: { netflow } }: XlateResult): unknown {
  if (!netflow) return undefined;
  const { inPort, nwSrc, nwDst, nwProto, nwTos, tpSrc, tpDst } = netflow.flow;
  return [netflow.output, inPort, nwSrc, nwDst, nwProto, nwTos & 0xfc, tpSrc, tpDst];
}

/** The key of a frame or, with labels, service headers, tunnels and connections, of a text. */
function randomKey(r: Random, { tlv, ports }: Ofproto): Flow {
  const inPort = 1 + r.below(N_PORTS);
  const isTunnel = ports.get(inPort)!.tunnel !== undefined;
  if (!isTunnel && r.chance(60)) {
    const key = extractFlow(randomPacket(r), { inPort });
    if (r.chance(5)) key.dlType = ETH_P_SLOW;
    return key;
  }
  const { flow } = parseOpenFlowFlow(randomFlowText(r), () => undefined, tlv);
  flow.inPort = inPort;
  if (isTunnel) {
    flow.tunDst ||= 0x0a000009;
    flow.tunTtl = r.below(3);
    flow.tunTpSrc = r.below(3);
    flow.tunTos = r.pick([0, 3]);
    const options = tlv.writeOptions(flow).subarray(0, flow.tunOpts.length);
    flow.tunOptsLen = options.length;
    flow.tunOpts.set(options);
  } else clearTunnelFields(flow);
  flow.u32.fill(0, 64);
  return flow;
}

/** Another packet that the mask takes for the same: bits outside of it come from `other`. */
function mixed(key: Flow, mask: Flow, other: Flow): Flow {
  const flow = key.clone();
  for (let i = 0; i < 64; i++) {
    const m = mask.u32[i]!;
    flow.u32[i] = (key.u32[i]! & m) | (other.u32[i]! & ~m);
  }
  // No packet has a tag without a type.
  if ((flow.vlanTci0 & VLAN_CFI) !== 0) flow.vlanTpid0 ||= key.vlanTpid0 || ETH_P_8021Q;
  if ((flow.vlanTci1 & VLAN_CFI) !== 0) flow.vlanTpid1 ||= key.vlanTpid1 || ETH_P_8021Q;
  return flow;
}

function sameItems<T>(a: readonly T[], b: readonly T[]): boolean {
  return a.length === b.length && a.every((item, i) => item === b[i]);
}

test('every packet that a megaflow matches is treated as its first', () => {
  for (let seed = SEED; seed < SEED + COUNT; seed++) {
    const r = new Random(seed);
    const config = randomBridge(r);
    const { bridge } = config.portOf(1)!.bundle;
    const packets = Array.from({ length: PACKETS }, () => randomKey(r, bridge));
    for (const key of packets) {
      const first = xlateActions(config, key, { withPacket: false });
      if (first.slow.length > 0) continue;
      const text = formatOdpActions(first.actions);
      for (const other of packets) {
        const flow = mixed(key, first.wildcards, other);
        // A port of the datapath is a tunnel's or it is not.
        if (isTunnelled(flow) !== isTunnelled(key)) continue;
        const again = xlateActions(config, flow, { withPacket: false });
        assert.equal(formatOdpActions(again.actions), text, `seed ${seed}`);
        assert.equal(again.failure, first.failure);
        assert.deepEqual(again.slow, first.slow, `seed ${seed}`);
        assert.ok(sameItems(again.effects.rules, first.effects.rules), `rules, seed ${seed}`);
        assert.deepEqual(netflowOf(again), netflowOf(first), `NetFlow, seed ${seed}`);
        const buckets = (of: XlateResult) => of.effects.bonds.map((b) => b.bucket);
        assert.deepEqual(buckets(again), buckets(first), `seed ${seed}`);
      }
    }
  }
});

test('headers behind tags beyond the limit make no megaflows of their own', () => {
  const hidden = ['nwSrc', 'nwDst', 'nwProto', 'nwTos', 'nwTtl', 'tpSrc', 'tpDst'] as const;
  let seen = 0;
  for (let seed = SEED; seed < SEED + COUNT; seed++) {
    const r = new Random(seed);
    const config = { ...randomBridge(r), vlanLimit: 1 };
    for (let i = 0; i < PACKETS; i++) {
      const key = extractFlow(randomPacket(r), { inPort: 1 + r.below(N_PORTS) });
      if ((key.vlanTci0 & key.vlanTci1 & VLAN_CFI) === 0) continue;
      const { wildcards } = xlateActions(config, key, { withPacket: false });
      for (const name of hidden) assert.equal(wildcards[name], 0, `${name}, seed ${seed}`);
      seen++;
    }
  }
  assert.ok(seen > COUNT);
});
