/** Flows: changes, counters, removals and monitors. */
import { formatActions } from '../actions/format-actions.ts';
import {
  OFP_DEFAULT_PRIORITY,
  OFP_NO_BUFFER,
  OFPG_ANY,
  OFPP_NONE,
  OFPTT_ALL,
  type OfpVersion,
} from '../constants.ts';
import { formatMatch, formatOxm } from '../match/index.ts';
import type {
  FlowMod,
  FlowModCommand,
  FlowModFlags,
  FlowMonitorRequest,
  FlowRemoved,
  FlowStats,
  FlowStatsRequest,
  FlowUpdate,
} from '../messages.ts';
import { printOfp10Match } from './ofp10-match-text.ts';
import { counter, duration, hexOrZero, type PrintNames, port, table } from './print-names.ts';
import { FLOW_REMOVED_REASONS } from './reasons.ts';

const COMMANDS: Readonly<Record<FlowModCommand, string>> = {
  add: 'ADD',
  modify: 'MOD',
  modify_strict: 'MOD_STRICT',
  delete: 'DEL',
  delete_strict: 'DEL_STRICT',
};
const ALL_ONES = 0xffff_ffff_ffff_ffffn;

/** The match as it stands in the bytes of an OpenFlow 1.0 message: who asks for much sees it so. */
export interface RawMatch {
  readonly kind: 'ofp10' | 'nxm';
  readonly bytes: Uint8Array;
}

export function printFlowMod(
  mod: FlowMod & { readonly version: OfpVersion },
  names: PrintNames,
  raw?: RawMatch,
): string {
  const commandText = COMMANDS[mod.command];
  let out = ` ${commandText}`;
  if (mod.tableId !== 0) out += ` table:${table(mod.tableId, names)}`;
  out += ' ';
  out += raw
    ? rawText(raw, names)
    : formatMatch(mod.match, {
        priority: mod.priority,
        names: names.ports,
        colors: names.colors,
      });
  if (!out.endsWith(' ')) out += ' ';
  const newCookie = newCookieOf(mod);
  if (newCookie !== undefined && newCookie !== 0n && newCookie !== ALL_ONES) {
    out += `cookie:0x${newCookie.toString(16)} `;
  }
  if (mod.cookieMask !== 0n) {
    out += `cookie:0x${mod.cookie.toString(16)}/0x${mod.cookieMask.toString(16)} `;
  }
  if (mod.idleTimeout !== 0) out += `idle:${mod.idleTimeout} `;
  if (mod.hardTimeout !== 0) out += `hard:${mod.hardTimeout} `;
  if (mod.importance !== 0) out += `importance:${mod.importance} `;
  if (raw && mod.priority !== OFP_DEFAULT_PRIORITY) out += `pri:${mod.priority} `;
  if (mod.bufferId !== OFP_NO_BUFFER) out += `buf:0x${mod.bufferId.toString(16)} `;
  if (mod.outPort !== OFPP_NONE) out += `out_port:${port(mod.outPort, names)} `;
  out += flagText(mod.flags);
  return `${out}actions=${formatActions(mod.actions, names)}`;
}

function rawText({ kind, bytes }: RawMatch, names: PrintNames): string {
  return kind === 'ofp10' ? printOfp10Match(bytes, names) : formatOxm(bytes);
}

/** OpenFlow 1.1 has a flow that a modification adds take the cookie. */
function newCookieOf(mod: FlowMod & { readonly version: OfpVersion }): bigint | undefined {
  const { version, command, cookie, cookieMask, newCookie } = mod;
  const mayAdd = version === 2 && command.startsWith('modify') && cookieMask === 0n;
  return newCookie ?? (mayAdd ? cookie : undefined);
}

function flagText(f: FlowModFlags): string {
  let out = '';
  if (f.sendFlowRem) out += 'send_flow_rem ';
  if (f.checkOverlap) out += 'check_overlap ';
  if (f.resetCounts) out += 'reset_counts ';
  if (f.noPktCounts) out += 'no_packet_counts ';
  if (f.noByteCounts) out += 'no_byte_counts ';
  if (f.emerg) out += 'emerg ';
  return out;
}

export interface FlowStatsFormat {
  readonly names: PrintNames;
  /** Durations, counts and ages, as `dump-flows` has them unless `--no-stats`. */
  readonly showStats: boolean;
}

/** All but match and actions. */
export type FlowProperties = Omit<FlowStats, 'match' | 'actions'>;

/** One line of `dump-flows`, without its line feed. */
export function formatFlowStats(f: FlowStats, format: FlowStatsFormat): string {
  const { names } = format;
  const { ports, colors } = names;
  let out = formatFlowProperties(f, format);
  // The match ends the list of properties: it stands without a comma behind.
  out += formatMatch(f.match, { priority: f.priority, names: ports, colors });
  if (!out.endsWith(' ')) out += ' ';
  return `${out}${colors?.actions('actions=') ?? 'actions='}${formatActions(f.actions, names)}`;
}

/** What such a line begins with. */
export function formatFlowProperties(
  f: FlowProperties,
  { names, showStats }: FlowStatsFormat,
): string {
  const { colors } = names;
  const param = (name: string, value: string | number) =>
    colors ? `${colors.param(`${name}=`)}${value}, ` : `${name}=${value}, `;
  let out = ' ';
  if (showStats || f.cookie !== 0n) out += param('cookie', hex(f.cookie));
  if (showStats) out += param('duration', duration(f.durationSec, f.durationNsec));
  if (showStats || f.tableId !== 0 || names.tables?.nameOf(0) !== undefined) {
    out += `${colors?.special('table=') ?? 'table='}${table(f.tableId, names)}, `;
  }
  if (showStats) {
    out += param('n_packets', counter(f.packetCount)) + param('n_bytes', counter(f.byteCount));
  }
  if (f.idleTimeout !== 0) out += param('idle_timeout', f.idleTimeout);
  if (f.hardTimeout !== 0) out += param('hard_timeout', f.hardTimeout);
  out += flagText(f.flags);
  if (f.importance !== 0) out += param('importance', f.importance);
  if (showStats && f.idleAge >= 0) out += param('idle_age', f.idleAge);
  if (showStats && f.hardAge >= 0 && f.hardAge !== f.durationSec) {
    out += param('hard_age', f.hardAge);
  }
  return out;
}

function hex(value: bigint): string {
  return `0x${value.toString(16)}`;
}

export function printFlowStatsRequest(r: FlowStatsRequest, names: PrintNames): string {
  let out = '';
  if (r.tableId !== OFPTT_ALL) out += ` table=${table(r.tableId, names)}`;
  if (r.outPort !== OFPP_NONE) out += ` out_port=${port(r.outPort, names)}`;
  const match = formatMatch(r.match, { names: names.ports });
  return match === '' ? out : `${out} ${match}`;
}

export function printFlowRemoved(r: FlowRemoved, names: PrintNames): string {
  let out = ` ${formatMatch(r.match, { priority: r.priority, names: names.ports })}`;
  if (!out.endsWith(' ')) out += ' ';
  out += `reason=${FLOW_REMOVED_REASONS[r.reason] ?? r.reason}`;
  if (r.tableId !== OFPTT_ALL) out += ` table_id=${table(r.tableId, names)}`;
  if (r.cookie !== 0n) out += ` cookie:${hex(r.cookie)}`;
  out += ` duration${duration(r.durationSec, r.durationNsec)} idle${r.idleTimeout}`;
  if (r.hardTimeout !== 0) out += ` hard${r.hardTimeout}`;
  return `${out} pkts${r.packetCount} bytes${r.byteCount}\n`;
}

const MONITOR_FLAGS = ['initial', 'add', 'delete', 'modify', 'actions', 'own'];

export function printMonitorRequest(m: FlowMonitorRequest, names: PrintNames): string {
  let out = `\n id=${m.id}`;
  if (m.command === 'delete') return `${out} command=delete`;
  const flags = MONITOR_FLAGS.filter((_, bit) => (m.flags & (1 << bit)) !== 0);
  out += ` flags=${flags.length === 0 ? 'none' : flags.join(',')}`;
  if (m.outPort !== OFPP_NONE) out += ` out_port=${port(m.outPort, names)}`;
  if (m.outGroup !== OFPG_ANY) out += ` out_group=${m.outGroup | 0}`;
  if (m.tableId !== OFPTT_ALL) out += ` table=${table(m.tableId, names)}`;
  const match = formatMatch(m.match, { names: names.ports });
  return match === '' ? out : `${out} ${match}`;
}

const EVENTS: Readonly<Record<FlowUpdate['event'], string>> = {
  initial: 'INITIAL',
  added: 'ADDED',
  modified: 'MODIFIED',
  removed: 'DELETED',
  abbrev: 'ABBREV',
  paused: 'PAUSED',
  resumed: 'RESUMED',
};

export function printFlowUpdate(u: FlowUpdate, names: PrintNames): string {
  let out = `\n event=${EVENTS[u.event]}`;
  if (u.event === 'abbrev') return `${out} xid=0x${u.xid.toString(16)}`;
  if (!('match' in u)) return out;
  if (u.event === 'removed') out += ` reason=${FLOW_REMOVED_REASONS[u.reason] ?? u.reason}`;
  out += ` table=${table(u.tableId, names)}`;
  if (u.idleTimeout !== 0) out += ` idle_timeout=${u.idleTimeout}`;
  if (u.hardTimeout !== 0) out += ` hard_timeout=${u.hardTimeout}`;
  out += ` cookie=${hexOrZero(u.cookie)} `;
  out += formatMatch(u.match, { priority: OFP_DEFAULT_PRIORITY, names: names.ports });
  if (u.actions === undefined) return out;
  if (!out.endsWith(' ')) out += ' ';
  return `${out}actions=${formatActions(u.actions, names)}`;
}
