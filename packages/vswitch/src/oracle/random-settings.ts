/** What the database and controllers set of ports and bridges, at random. */
import type { Random } from '@heddle/datapath/oracle/random-frame';
import { OFPM13_CONTROLLER, OFPM13_SLOWPATH } from '@heddle/openflow';
import { FakeClock } from '@heddle/runtime';
import { NetFlow } from '../export/netflow.ts';
import { configureSnooping } from '../mcast-snooping/config.ts';
import { configureMirrors } from '../mirror.ts';
import { InternalFlows } from '../ofproto/internal-flows.ts';
import { Meter } from '../ofproto/meter.ts';
import type { BridgeExports, Bundle, OfPort, Ofproto } from '../ofproto.ts';
import { type BridgeRow, configureBundle, type PortRow } from '../port-config.ts';
import { randomRow } from './random-switch.ts';

const VLANS = [0, 5, 6];
/** Groups that random packets are for. */
const GROUPS = ['10.0.0.1', '10.0.1.5', 'fe80::2', '2001:db8::1'];
const TREE_STATES = ['disabled', 'blocking', 'listening', 'learning', 'forwarding'] as const;
/** Those of OpenFlow: no receiving, no receiving of BPDUs, no flooding, no sending, no packet-ins. */
const CONFIG_BITS = [1 << 2, 1 << 3, 1 << 4, 1 << 5, 1 << 6];

/** Each of its parts now and then. */
export function setRandomly(r: Random, bridge: Ofproto): void {
  for (const bundle of bridge.bundles.values()) if (r.chance(30)) setVlans(r, bundle);
  for (const port of bridge.ports.values()) setPort(r, port);
  if (r.chance(25)) mirrorRandomly(r, bridge);
  if (r.chance(35)) snoopRandomly(r, bridge);
  bridge.forwardBpdu = r.chance(30);
  bridge.fragHandling = r.pick(['normal', 'normal', 'drop', 'nx-match']);
  bridge.hasControllers = r.chance(30);
  bridge.wantsPacketInOnMiss = r.chance(30);
  bridge.isInBand = r.chance(10);
  bridge.hasQdiscs = r.chance(30);
  if (r.chance(30)) bridge.internal = new InternalFlows(bridge.tables, 0);
  if (r.chance(50)) bridge.setDefaultFlow(true, 0);
  for (const id of [0, 1, 2, 9]) {
    if (r.chance(15)) bridge.tables.at(id).miss = r.pick(['continue', 'controller', 'drop']);
  }
  const bands = [{ type: 'drop' as const, rate: 10, burstSize: 0, precLevel: 0 }];
  for (const meterId of [1, 2, OFPM13_CONTROLLER, OFPM13_SLOWPATH]) {
    if (r.chance(50)) bridge.meters.set(meterId, new Meter({ meterId, flags: 1, bands }, 0));
  }
  bridge.exports = randomExports(r);
}

function setVlans(r: Random, bundle: Bundle): void {
  const row = randomRow(r);
  const flooding = ['mcast-snooping-flood', 'mcast-snooping-flood-reports'];
  const more = flooding.flatMap((key) => (r.chance(20) ? [[key, 'true'] as const] : []));
  const config = new Map([...row.other_config, ...more]);
  configureBundle(bundle, { ...row, other_config: config } as unknown as PortRow);
}

function setPort(r: Random, port: OfPort): void {
  if (r.chance(10)) port.treeState = r.pick(TREE_STATES);
  if (r.chance(15)) port.config = r.pick(CONFIG_BITS) | r.pick([0, ...CONFIG_BITS]);
  if (r.chance(10)) port.isFaulty = true;
  if (r.chance(10)) port.isLinkUp = false;
  if (r.chance(20)) port.queueTos = new Map([1, 2, 0x1_0002].map((queue) => [queue, 0x20]));
}

function mirrorRandomly(r: Random, bridge: Ofproto): void {
  const bundles = [...bridge.bundles.values()];
  const some = () => new Set(bundles.filter(() => r.chance(40)));
  const mirrors = Array.from({ length: 1 + r.below(2) }, (_, i) => ({
    name: `m${i}`,
    all: r.chance(30),
    sources: some(),
    destinations: some(),
    vlans: r.chance(60) ? undefined : new Set(VLANS.filter(() => r.chance(50))),
    out: r.chance(60) ? r.pick(bundles) : r.pick([5, 6]),
    snaplen: r.pick([0, 64]),
  }));
  configureMirrors(bridge, mirrors);
}

function snoopRandomly(r: Random, bridge: Ofproto): void {
  const disabled = String(r.chance(50));
  const other_config = new Map([['mcast-snooping-disable-flood-unregistered', disabled]]);
  const row = { mcast_snooping_enable: true, other_config } as unknown as BridgeRow;
  configureSnooping(bridge, row, { nowMs: () => 0, changed: () => {} });
  const bundles = [...bridge.bundles.values()];
  for (const vlan of VLANS) {
    for (const group of GROUPS) {
      if (!r.chance(30)) continue;
      const groups = [{ group, leaves: false }];
      bridge.snooping!.hear(vlan, r.pick(bundles), { kind: 'report', isSingle: true, groups });
    }
    const query = { kind: 'query', from: undefined, isRouter: true } as const;
    if (r.chance(20)) bridge.snooping!.hear(vlan, r.pick(bundles), query);
  }
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
