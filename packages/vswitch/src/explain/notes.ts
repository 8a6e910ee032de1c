/** What else bears on a packet's fate: meters, connection tracking, devices, controllers. */
import { OFPP_MAX } from '@heddle/openflow';
import { ctStateText, parseCtState } from '../trace/trace.ts';
import type { ExplainEnv } from './env.ts';
import { type Delivery, deliveries } from './outcome.ts';
import { eventsOf, type Packet, type Walk, walk } from './walk.ts';

const STATES = ['trk,new', 'trk,est', 'trk,est,rpl', 'trk,rel', 'trk,inv'];

export function notesOf(
  env: ExplainEnv,
  packet: Packet,
  way: Walk,
  out: readonly Delivery[],
  isDropped: boolean,
): string[] {
  return [
    ...inputNotes(packet),
    ...policingNotes(packet),
    ...meterNotes(way),
    ...controllerNotes(env, way),
    ...ctNotes(env, packet, way, isDropped),
    ...new Set(
      out
        .filter((d) => !d.carrier)
        .map((d) => `device ${d.port.name} has no carrier: what goes out there is lost`),
    ),
  ];
}

function inputNotes({ bridge, ofport }: Packet): string[] {
  if (ofport >= OFPP_MAX || bridge.ports.has(ofport)) return [];
  return [`${bridge.name} has no port ${ofport}: no packet comes in by it`];
}

function policingNotes({ bridge, ofport }: Packet): string[] {
  const port = bridge.ports.get(ofport);
  const { bits, kpkts } = port?.policing ?? {};
  const limits = [
    ...(bits && bits.rate > 0 ? [`${bits.rate} kbit/s (ingress_policing_rate)`] : []),
    ...(kpkts && kpkts.rate > 0
      ? [`${kpkts.rate},000 packets/s (ingress_policing_kpkts_rate)`]
      : []),
  ];
  return limits.map((limit) => `port ${port!.name} drops what comes in beyond ${limit}`);
}

function meterNotes(way: Walk): string[] {
  return eventsOf(way, 'meter').flatMap(({ bridge, meter: id }) => {
    const meter = bridge.meters.get(id);
    if (!meter) return [];
    const unit = (meter.config.flags & 1) === 0 ? 'packets/s' : 'kbit/s';
    const { stats } = meter;
    const dropped = stats.bands.reduce((sum, band) => sum + band.packets, 0);
    const rates = meter.config.bands.map((b) => b.rate).join(' and ');
    return [
      `meter ${id} of ${bridge.name} drops what is over ${rates} ${unit}: ${dropped} of ${stats.packets} packets so far`,
    ];
  });
}

function controllerNotes(env: ExplainEnv, way: Walk): string[] {
  return [...new Set(eventsOf(way, 'controller').map((e) => e.bridge))].flatMap((bridge) => {
    const { controllers } = env.facts(bridge);
    if (controllers.some((c) => c.isConnected) || bridge.hasControllers) return [];
    const why =
      controllers.length === 0
        ? 'has none'
        : `is not connected to ${controllers.map((c) => c.target).join(', ')}`;
    return [`it is sent to the controller, and ${bridge.name} ${why}: nobody hears of it`];
  });
}

/** What other states of its connection would have made of it. */
function ctNotes(env: ExplainEnv, packet: Packet, way: Walk, isDropped: boolean): string[] {
  const tracked = way.passes.filter((p) => p.ctState !== undefined);
  if (!isDropped || tracked.length === 0) return [];
  const notes: string[] = [];
  for (const state of STATES) {
    const bits = parseCtState(state)!;
    if (tracked.some((p) => p.ctState === bits)) continue;
    const other = walk(env.config, packet, new Array(tracked.length).fill(bits));
    const [first] = deliveries(other, packet, env);
    if (first) {
      notes.push(
        `were its connection ct_state=${ctStateText(bits)}, it would go out of ${first.port.name}`,
      );
    }
  }
  return notes;
}
