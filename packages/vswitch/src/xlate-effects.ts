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

/** Learns, and counts for the flows, groups, patch ports and tunnels that the packets passed. */
export function applyEffects(
  effects: XlateEffects,
  packets: number,
  bytes: number,
  nowMs: number,
  seen?: PacketsSeen,
): void {
  for (const { bridge, vlan, mac, bundle } of effects.learn) bridge.macs.learn(vlan, mac, bundle);
  for (const { bridge, vlan, bundle, message } of effects.mcast) {
    bridge.snooping?.hear(vlan, bundle, message);
  }
  for (const rule of effects.rules) {
    const { flags } = rule.state;
    if (!flags.noPktCounts) rule.packets += packets;
    if (!flags.noByteCounts) rule.bytes += bytes;
    rule.usedMs = nowMs;
  }
  for (const { table, matched } of effects.tables) {
    table.lookups += packets;
    if (matched) table.matches += packets;
  }
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
    for (const stats of [group.stats, group.bucketStats[bucket]!]) {
      stats.packets += packets;
      stats.bytes += bytes;
    }
  }
  for (const { bond, bucket } of effects.bonds) bond.buckets.count(bucket, bytes);
  for (const { stats } of effects.mirrors) {
    stats.packets += packets;
    stats.bytes += bytes;
  }
  for (const { bridge, flowMod, limit } of effects.flows) bridge.learnFlow(flowMod, limit);
  for (const learn of effects.neighbours) learn();
  for (const ask of effects.solicits) ask();
  const { drop, netflow } = effects;
  if (netflow) {
    const { flow, output } = netflow;
    netflow.netflow.count(flow, output, { packets, bytes, tcpFlags: 0, usedMs: nowMs, ...seen });
  }
  if (drop) drop.bridge.drops.count(drop, packets, bytes, nowMs);
  for (const { rule, idle, hard } of effects.finTimeouts) rule.shorten(idle, hard);
}
