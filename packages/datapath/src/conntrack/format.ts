/** Connections in text, as `dpctl/dump-conntrack` writes them. */
import { ETH_P_IP, formatIpv4, formatIpv6, IPPROTO_ICMPV6 } from '@heddle/packet';
import { scaleFlags, scaleShift, TCP_STATE_NAMES, TCPS } from './tcp.ts';
import { isIcmp, type Tuple } from './tuple.ts';

/** A connection as every engine tells of it. */
export interface CtEntry {
  readonly orig: Tuple;
  readonly reply: Tuple;
  readonly zone: number;
  readonly mark: number;
  readonly label: bigint;
  /** Seconds. */
  readonly timeout: number;
  readonly tcp?: {
    readonly orig: number;
    readonly reply: number;
    /** Window scales of both ends, as `TcpPeer` keeps them. */
    readonly wscale: readonly [number, number];
  };
  readonly helper?: string;
}

const PROTO_NAMES: Readonly<Record<number, string>> = {
  1: 'icmp',
  2: 'igmp',
  6: 'tcp',
  17: 'udp',
  33: 'dccp',
  58: 'icmpv6',
  132: 'sctp',
  136: 'udplite',
};

export function ctProtoName(proto: number): string {
  return PROTO_NAMES[proto] ?? String(proto);
}

export function formatCtTuple(t: Tuple): string {
  const address = (a: Uint8Array): string =>
    t.dlType === ETH_P_IP
      ? formatIpv4(((a[0]! << 24) | (a[1]! << 16) | (a[2]! << 8) | a[3]!) >>> 0)
      : formatIpv6(a);
  const ends = `src=${address(t.src)},dst=${address(t.dst)}`;
  if (isIcmp(t)) return `${ends},id=${t.srcPort},type=${t.icmpType},code=${t.icmpCode}`;
  return `${ends},sport=${t.srcPort},dport=${t.dstPort}`;
}

/** One state for both ends: the farther one's. */
export function tcpStateName(tcp: { readonly orig: number; readonly reply: number }): string {
  const state = Math.max(tcp.orig, tcp.reply);
  return TCP_STATE_NAMES[state === TCPS.FIN_WAIT_2 ? TCPS.TIME_WAIT : state] ?? 'CLOSED';
}

export function formatCtEntry(
  e: CtEntry,
  options: { readonly verbose?: boolean; readonly stats?: boolean } = {},
): string {
  const parts = [
    ctProtoName(e.orig.proto),
    `orig=(${formatCtTuple(e.orig)})`,
    `reply=(${formatCtTuple(e.reply)})`,
  ];
  if (options.verbose) parts.push('id=0');
  if (e.zone !== 0) parts.push(`zone=${e.zone}`);
  if (options.verbose) parts.push('status=0');
  if (options.stats) parts.push(`timeout=${e.timeout}`);
  if (e.mark !== 0) parts.push(`mark=${e.mark}`);
  if (e.label !== 0n) parts.push(`labels=0x${e.label.toString(16)}`);
  if (e.tcp) parts.push(`protoinfo=(${tcpText(e.tcp, options.verbose ?? false)})`);
  if (e.helper !== undefined) parts.push(`helper=${e.helper}`);
  return parts.join(',');
}

function tcpText(tcp: NonNullable<CtEntry['tcp']>, verbose: boolean): string {
  if (!verbose) return `state=${tcpStateName(tcp)}`;
  const [orig, reply] = tcp.wscale.map((w) => scaleFlags(w).join('|') || '0');
  const [a, b] = [scaleShift(tcp.wscale[0]), scaleShift(tcp.wscale[1])];
  const scales = a | b ? `wscale_orig=${a},wscale_reply=${b},` : '';
  const name = (state: number) => TCP_STATE_NAMES[state] ?? String(state);
  return `state_orig=${name(tcp.orig)},state_reply=${name(tcp.reply)},${scales}flags_orig=${orig},flags_reply=${reply}`;
}

/** Connections by protocol, and those of TCP by state. */
export class CtStatsCounter {
  total = 0;
  readonly #counts = new Map(['TCP', 'UDP', 'SCTP', 'ICMP', 'Other'].map((name) => [name, 0]));
  readonly #states = new Map<string, number>();

  add(e: CtEntry): void {
    this.total++;
    // ICMPv6 is in the total alone, as upstream has it.
    const name = STATS_NAMES[e.orig.proto] ?? 'Other';
    if (e.orig.proto !== IPPROTO_ICMPV6) this.#counts.set(name, this.#counts.get(name)! + 1);
    if (!e.tcp) return;
    const state = tcpStateName(e.tcp);
    this.#states.set(state, (this.#states.get(state) ?? 0) + 1);
  }

  /** TCP, UDP, SCTP, ICMP and the rest, in upstream's order. */
  get byProtocol(): Iterable<readonly [name: string, count: number]> {
    return this.#counts;
  }

  get byState(): Iterable<readonly [name: string, count: number]> {
    const order = (state: string) => TCP_STATE_NAMES.indexOf(state as never);
    return [...this.#states].sort((a, b) => order(a[0]) - order(b[0]));
  }
}

const STATS_NAMES: Readonly<Record<number, string>> = {
  1: 'ICMP',
  6: 'TCP',
  17: 'UDP',
  132: 'SCTP',
};
