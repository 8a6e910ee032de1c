/** What packets that a translation stands for do to tables, counters and addresses. */
import type { XlateEffects } from './xlate.ts';

/** What else is known of packets: their TCP flags together, and when the last one came. */
export interface PacketsSeen {
  readonly tcpFlags: number;
  readonly usedMs: number;
}

export const NO_EFFECTS: XlateEffects = {
  learn: [],
  mcast: [],
  rules: [],
  tables: [],
  patches: [],
  groups: [],
  mirrors: [],
  bonds: [],
  flows: [],
  finTimeouts: [],
  netflow: undefined,
  neighbours: [],
  solicits: [],
  drop: undefined,
};

/** Counts for the flows, groups, patch ports and tunnels that the packets passed, and learns from them. */
export function applyEffects(
  effects: XlateEffects,
  packets: number,
  bytes: number,
  nowMs: number,
  seen?: PacketsSeen,
): void {
  countPackets(effects, packets, bytes, nowMs, seen);
  learnFrom(effects);
}

/** What packets of before a change are counted for, which is to learn nothing from them any more. */
export function countPackets(
  effects: XlateEffects,
  packets: number,
  bytes: number,
  nowMs: number,
  seen?: PacketsSeen,
): void {
  const { rules, tables, drop } = effects;
  // Iterators of lists that are frozen or of several kinds take longer than what is done.
  for (let i = 0; i < rules.length; i++) {
    const rule = rules[i]!;
    // Who needs no counters of a flow has them nevertheless, as upstream.
    rule.count(packets, bytes);
    rule.usedMs = nowMs;
  }
  for (let i = 0; i < tables.length; i++) {
    const { table, matched } = tables[i]!;
    table.lookups += packets;
    if (matched) table.matches += packets;
  }
  if (!isPlain(effects)) countOthers(effects, packets, bytes, nowMs, seen);
  if (drop) drop.bridge.drops.count(drop, packets, bytes, nowMs);
}

/** Addresses and flows, which packets keep young; the last of them came `agoMs` ago. */
export function learnFrom(effects: XlateEffects, agoMs = 0): void {
  const { learn } = effects;
  for (let i = 0; i < learn.length; i++) {
    const { bridge, vlan, mac, bundle } = learn[i]!;
    bridge.macs.learn(vlan, mac, bundle, agoMs);
  }
  if (isPlain(effects)) return;
  for (const { bridge, vlan, bundle, message } of effects.mcast) {
    bridge.snooping?.hear(vlan, bundle, message);
  }
  for (const { bridge, flowMod, limit, table } of effects.flows) {
    bridge.learnFlow(flowMod, limit, table);
  }
  for (const learn of effects.neighbours) learn();
  for (const ask of effects.solicits) ask();
  for (const { rule, idle, hard } of effects.finTimeouts) rule.shorten(idle, hard);
}

/** Whether there is nothing but what nearly all have. */
function isPlain(effects: XlateEffects): boolean {
  return (
    effects.netflow === undefined &&
    effects.mcast.length +
      effects.patches.length +
      effects.groups.length +
      effects.bonds.length +
      effects.mirrors.length +
      effects.flows.length +
      effects.neighbours.length +
      effects.solicits.length +
      effects.finTimeouts.length ===
      0
  );
}

function countOthers(
  effects: XlateEffects,
  packets: number,
  bytes: number,
  nowMs: number,
  seen: PacketsSeen | undefined,
): void {
  for (const { from, to } of effects.patches) {
    if (from) {
      from.stats.txPackets += packets;
      from.stats.txBytes += bytes;
    }
    if (to) {
      to.stats.rxPackets += packets;
      to.stats.rxBytes += bytes;
    }
  }
  for (const { group, bucket } of effects.groups) {
    const passed = bucket === undefined ? group.bucketStats : [group.bucketStats[bucket]!];
    for (const stats of [group.stats, ...passed]) {
      stats.packets += packets;
      stats.bytes += bytes;
    }
  }
  for (const { bond, bucket } of effects.bonds) bond.buckets.count(bucket, bytes);
  for (const { stats } of effects.mirrors) {
    stats.packets += packets;
    stats.bytes += bytes;
  }
  const { netflow } = effects;
  if (netflow) {
    const { flow, output } = netflow;
    netflow.netflow.count(flow, output, { packets, bytes, tcpFlags: 0, usedMs: nowMs, ...seen });
  }
}
