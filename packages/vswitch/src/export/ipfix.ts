/** An IPFIX exporter (RFC 7011, RFC 5102): samples to records, aggregated for a while, to collectors. */
import { ByteWriter } from '@heddle/openflow';
import { isMulticastMac, MAC_BROADCAST } from '@heddle/packet';
import type { Clock } from '@heddle/runtime';
import { Collectors, type Target } from './collectors.ts';
import {
  countBytes,
  FLOW_END,
  type IpfixCounts,
  type IpfixKind,
  type IpfixSample,
  type IpfixTotals,
  keyBytes,
  kindOf,
  templateId,
  templateRecords,
} from './ipfix-records.ts';

export interface IpfixSettings {
  readonly targets: readonly Target[];
  /** 0: records are sent at once. */
  readonly activeTimeoutMs: number;
  readonly maxFlows: number;
  readonly templateIntervalMs: number;
  readonly statsIntervalMs: number;
  readonly virtualObsId: string | undefined;
}

/** What happened to a sampled packet. */
export interface IpfixPacket {
  /** Bytes from Ethernet on. */
  readonly length: number;
  readonly isDropped: boolean;
  readonly tcpFlags: number;
}

type Counts = { -readonly [K in keyof IpfixCounts]: IpfixCounts[K] };

interface Entry {
  readonly domain: number;
  readonly kind: IpfixKind;
  readonly key: Uint8Array;
  readonly counts: Counts;
  /** Of the exporter, when the last of the packets came. */
  totals: IpfixTotals;
}

const TEMPLATE_SET = 2;
const OPTIONS_TEMPLATE_SET = 3;
const HEADER_BYTES = 16;
const MAX_MESSAGE = 1400;
/** Observation domains that have been told the templates. */
const MAX_DOMAINS = 1024;
const EXPORTER_STATISTICS = 462;

export class Ipfix {
  settings: IpfixSettings;
  readonly #clock: Clock;
  readonly #cache = new Map<string, Entry>();
  /** When a domain's templates were last sent, and how many records have been. */
  readonly #domains = new Map<number, { templatesMs: number; records: number }>();
  readonly #totals: IpfixTotals = noTotals();
  #collectors: Collectors;
  #statsMs = Number.NEGATIVE_INFINITY;
  /** As `ovs-ofctl dump-ipfix-bridge` has them. */
  readonly stats = {
    flows: 0,
    sampled: 0,
    ipv4: 0,
    ipv6: 0,
    errors: 0,
    ipv4Errors: 0,
    ipv6Errors: 0,
    sent: 0,
    sendErrors: 0,
  };

  constructor(settings: IpfixSettings, clock: Clock) {
    this.settings = settings;
    this.#clock = clock;
    this.#collectors = new Collectors(settings.targets);
  }

  configure(settings: IpfixSettings): void {
    this.#flush(FLOW_END.forced);
    this.#collectors.close();
    this.#collectors = new Collectors(settings.targets);
    this.#domains.clear();
    this.#statsMs = Number.NEGATIVE_INFINITY;
    this.settings = settings;
  }

  close(): void {
    this.#flush(FLOW_END.forced);
    this.#collectors.close();
  }

  /** In the order of `ovs-ofctl dump-ipfix-bridge`. */
  get counters(): bigint[] {
    const s = this.stats;
    const list = [s.flows, this.#cache.size, s.sampled, s.ipv4, s.ipv6];
    list.push(s.errors, s.ipv4Errors, s.ipv6Errors, s.sent, s.sendErrors);
    return list.map(BigInt);
  }

  sample(domain: number, sample: IpfixSample, packet: IpfixPacket): void {
    const kind = kindOf(sample);
    this.#count(kind, packet);
    const added = countsOf(kind, sample, packet, this.#clock.nowMs());
    addTotals(this.#totals, sample, packet, added);
    const key = keyBytes(kind, sample);
    const { activeTimeoutMs, maxFlows } = this.settings;
    if (activeTimeoutMs === 0 || maxFlows === 0) {
      this.stats.flows++;
      this.#export({ domain, kind, key, counts: added, totals: this.#totals }, FLOW_END.active);
      return;
    }
    const name = `${domain} ${templateId(kind)} ${Buffer.from(key).toString('latin1')}`;
    const known = this.#cache.get(name);
    const totals = { ...this.#totals, tcp: { ...this.#totals.tcp } };
    if (known) {
      merge(known.counts, added);
      known.totals = totals;
    } else {
      this.stats.flows++;
      this.#cache.set(name, { domain, kind, key, counts: added, totals });
      if (this.#cache.size > maxFlows) this.#expireOldest();
    }
  }

  /** Once a second: what has been kept for long enough goes out. */
  run(): void {
    const limit = this.#clock.nowMs() - this.settings.activeTimeoutMs;
    for (const [name, entry] of this.#cache) {
      if (entry.counts.startMs > limit) break;
      this.#cache.delete(name);
      this.#export(entry, FLOW_END.active);
    }
  }

  #expireOldest(): void {
    for (const [name, entry] of this.#cache) {
      this.#cache.delete(name);
      this.#export(entry, FLOW_END.resources);
      return;
    }
  }

  #flush(reason: number): void {
    for (const entry of this.#cache.values()) this.#export(entry, reason);
    this.#cache.clear();
  }

  #count({ l3 }: IpfixKind, { isDropped }: IpfixPacket): void {
    const { stats } = this;
    stats.sampled++;
    if (isDropped) {
      stats.errors++;
      if (l3 === 'ipv4') stats.ipv4Errors++;
      if (l3 === 'ipv6') stats.ipv6Errors++;
    } else if (l3 === 'ipv4') stats.ipv4++;
    else if (l3 === 'ipv6') stats.ipv6++;
  }

  #export({ domain, kind, key, counts, totals }: Entry, reason: number): void {
    const state = this.#templates(domain);
    const body = countBytes(kind, counts, totals, this.#clock.nowMs(), reason);
    const w = this.#message(domain, state.records);
    w.u16(templateId(kind));
    w.u16(4 + key.length + body.length);
    w.bytes(key);
    w.bytes(body);
    state.records = (state.records + 1) >>> 0;
    this.#send(w);
  }

  /** Collectors must know the templates before the records, and hear of them again. */
  #templates(domain: number): { templatesMs: number; records: number } {
    const now = this.#clock.nowMs();
    let state = this.#domains.get(domain);
    if (!state) {
      if (this.#domains.size >= MAX_DOMAINS) this.#domains.clear();
      state = { templatesMs: Number.NEGATIVE_INFINITY, records: 0 };
      this.#domains.set(domain, state);
    }
    if (now - state.templatesMs >= this.settings.templateIntervalMs) {
      state.templatesMs = now;
      this.#sendTemplates(domain, state.records);
    }
    if (now - this.#statsMs >= this.settings.statsIntervalMs) {
      this.#statsMs = now;
      this.#sendStatistics();
    }
    return state;
  }

  #sendTemplates(domain: number, sequence: number): void {
    let waiting: Uint8Array[] = [];
    let bytes = 0;
    const flush = (): void => {
      if (waiting.length === 0) return;
      const w = this.#message(domain, sequence);
      w.u16(TEMPLATE_SET);
      w.u16(4 + bytes);
      for (const record of waiting) w.bytes(record);
      this.#send(w);
      waiting = [];
      bytes = 0;
    };
    for (const record of templateRecords(this.settings.virtualObsId !== undefined)) {
      if (HEADER_BYTES + 4 + bytes + record.length > MAX_MESSAGE) flush();
      waiting.push(record);
      bytes += record.length;
    }
    flush();
  }

  /** How many packets the exporting process has not sent (RFC 7011, section 4.3). */
  #sendStatistics(): void {
    const template = this.#message(0, 0);
    template.u16(OPTIONS_TEMPLATE_SET);
    const at = template.grow(2);
    for (const n of [EXPORTER_STATISTICS, 2, 1, 144, 4, 167, 8]) template.u16(n);
    template.setU16(at, template.length - at + 2);
    this.#send(template);
    const data = this.#message(0, 0);
    data.u16(EXPORTER_STATISTICS);
    data.u16(16);
    data.u32(0);
    data.u64(BigInt(this.stats.sendErrors));
    this.#send(data);
  }

  #message(domain: number, sequence: number): ByteWriter {
    const w = new ByteWriter(512);
    w.u16(10);
    w.u16(0);
    w.u32(Math.floor(this.#clock.wallMs() / 1000) >>> 0);
    w.u32(sequence);
    w.u32(domain);
    return w;
  }

  #send(w: ByteWriter): void {
    w.setU16(2, w.length);
    const { sent, failed } = this.#collectors.send(w.take());
    this.stats.sent += sent;
    this.stats.sendErrors += failed;
  }
}

function countsOf(
  kind: IpfixKind,
  { flow, isEgress }: IpfixSample,
  { length, isDropped }: IpfixPacket,
  nowMs: number,
): Counts {
  const ip = kind.l3 === 'other' ? 0 : length - (kind.l2 === 'vlan' ? 18 : 14);
  const isMulticast = isEgress && isMulticastMac(flow.dlDst) && flow.dlDst !== MAC_BROADCAST;
  return {
    startMs: nowMs,
    endMs: nowMs,
    packets: 1,
    bytes: length,
    ipBytes: ip,
    ipBytesSquared: BigInt(ip) ** 2n,
    ipMin: ip,
    ipMax: ip,
    droppedPackets: isDropped ? 1 : 0,
    droppedBytes: isDropped ? ip : 0,
    multicastPackets: isMulticast ? 1 : 0,
    multicastBytes: isMulticast ? ip : 0,
  };
}

function merge(into: Counts, more: Counts): void {
  into.endMs = more.endMs;
  into.packets += more.packets;
  into.bytes += more.bytes;
  into.ipBytes += more.ipBytes;
  into.ipBytesSquared += more.ipBytesSquared;
  into.ipMin = Math.min(into.ipMin, more.ipMin);
  into.ipMax = Math.max(into.ipMax, more.ipMax);
  into.droppedPackets += more.droppedPackets;
  into.droppedBytes += more.droppedBytes;
  into.multicastPackets += more.multicastPackets;
  into.multicastBytes += more.multicastBytes;
}

function addTotals(
  totals: IpfixTotals,
  { flow, isEgress }: IpfixSample,
  { tcpFlags }: IpfixPacket,
  c: Counts,
): void {
  totals.packets += c.packets;
  totals.bytes += c.bytes;
  totals.ipBytes += c.ipBytes;
  totals.ipBytesSquared += c.ipBytesSquared;
  totals.droppedPackets += c.droppedPackets;
  totals.droppedBytes += c.droppedBytes;
  totals.multicastPackets += c.multicastPackets;
  totals.multicastBytes += c.multicastBytes;
  const isBroadcast = flow.dlDst === MAC_BROADCAST;
  const isMulticast = !isBroadcast && isMulticastMac(flow.dlDst);
  if (isEgress) {
    if (isBroadcast) totals.egressBroadcast++;
    else if (!isMulticast) totals.egressUnicast++;
  } else if (isBroadcast) totals.ingressBroadcast++;
  else if (isMulticast) totals.ingressMulticast++;
  else totals.ingressUnicast++;
  for (const [name, bit] of TCP_FLAGS) if ((tcpFlags & bit) !== 0) totals.tcp[name]++;
}

const TCP_FLAGS = [
  ['fin', 0x01],
  ['syn', 0x02],
  ['rst', 0x04],
  ['psh', 0x08],
  ['ack', 0x10],
  ['urg', 0x20],
] as const;

function noTotals(): IpfixTotals {
  return {
    packets: 0,
    bytes: 0,
    ipBytes: 0,
    ipBytesSquared: 0n,
    droppedPackets: 0,
    droppedBytes: 0,
    multicastPackets: 0,
    multicastBytes: 0,
    ingressUnicast: 0,
    ingressMulticast: 0,
    ingressBroadcast: 0,
    egressUnicast: 0,
    egressBroadcast: 0,
    tcp: { ack: 0, fin: 0, psh: 0, rst: 0, syn: 0, urg: 0 },
  };
}
