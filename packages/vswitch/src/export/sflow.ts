/** sFlow version 5 (sflow.org): sampled packets and counters of a bridge (ovs-vswitchd.conf.db(5), sFlow). */
import { isIP } from 'node:net';
import type { PortStats } from '@heddle/datapath';
import { ByteWriter } from '@heddle/openflow';
import { parseIpv4, parseIpv6 } from '@heddle/packet';
import type { Clock } from '@heddle/runtime';
import { Collectors, type Target } from './collectors.ts';

export interface SflowSettings {
  readonly targets: readonly Target[];
  /** Address that the datagrams say they are from. */
  readonly agent: string;
  /** One packet of so many. */
  readonly sampling: number;
  /** Seconds between counters. */
  readonly polling: number;
  /** Bytes of a packet at most. */
  readonly header: number;
}

export interface SflowPort {
  readonly name: string;
  readonly ofport: number;
  readonly ifindex: number;
  readonly speed: number;
  readonly isUp: boolean;
  readonly hasCarrier: boolean;
  readonly stats: PortStats;
}

/** What a bridge tells of itself when counters are due. */
export interface SflowSource {
  readonly datapathId: bigint;
  ports(): readonly SflowPort[];
  datapath(): {
    readonly hit: number;
    readonly missed: number;
    readonly lost: number;
    readonly maskHit: number | undefined;
    readonly flows: number;
    readonly masks: number | undefined;
  };
}

export interface SflowSample {
  readonly frame: Uint8Array;
  /** Index of the device that it came by; 0 when it has none. */
  readonly input: number;
  readonly output: number;
  readonly srcVlan: number;
  readonly srcPriority: number;
  readonly dstVlan: number;
  readonly dstPriority: number;
}

const MAX_DATAGRAM = 1400;
const FLOW_SAMPLE = 1;
const COUNTERS_SAMPLE = 2;
const RAW_PACKET_HEADER = 1;
const EXTENDED_SWITCH = 1001;
const GENERIC_COUNTERS = 1;
const ETHERNET_COUNTERS = 2;
const OPENFLOW_PORT = 1004;
const PORT_NAME = 1005;
const APP_RESOURCES = 2203;
const OVS_DP_STATS = 2207;
/** A physical entity, as no device stands for the whole switch. */
const SWITCH_SOURCE = (2 << 24) | 1000;
const UNKNOWN = 0xffff_ffff;
const FCS_BYTES = 4;
const ETHERNET = 1;
const IF_TYPE_ETHERNET = 6;

export class Sflow {
  settings: SflowSettings;
  readonly #clock: Clock;
  readonly #source: SflowSource;
  readonly #bootMs: number;
  /** Counter samples sent, by device; 0 for the switch. */
  readonly #counterSequence = new Map<number, number>();
  #collectors: Collectors;
  #samples: Uint8Array[] = [];
  #bytes = 0;
  #sequence = 0;
  #flowSequence = 0;
  #pool = 0;
  #polledMs: number;

  constructor(settings: SflowSettings, source: SflowSource, clock: Clock) {
    this.settings = settings;
    this.#source = source;
    this.#clock = clock;
    this.#bootMs = clock.nowMs();
    this.#polledMs = clock.nowMs();
    this.#collectors = new Collectors(settings.targets);
  }

  configure(settings: SflowSettings): void {
    this.#flush();
    this.#collectors.close();
    this.#collectors = new Collectors(settings.targets);
    this.settings = settings;
  }

  close(): void {
    this.#flush();
    this.#collectors.close();
  }

  /** A packet that was chosen. */
  sample(sample: SflowSample): void {
    const { sampling, header } = this.settings;
    this.#pool = (this.#pool + sampling) >>> 0;
    this.#flowSequence = (this.#flowSequence + 1) >>> 0;
    const w = new ByteWriter(96 + header);
    w.u32(this.#flowSequence);
    w.u32(SWITCH_SOURCE);
    w.u32(sampling);
    w.u32(this.#pool);
    w.u32(0);
    w.u32(sample.input);
    w.u32(sample.output);
    w.u32(2);
    record(w, EXTENDED_SWITCH, () => {
      w.u32(sample.srcVlan);
      w.u32(sample.srcPriority);
      w.u32(sample.dstVlan);
      w.u32(sample.dstPriority);
    });
    record(w, RAW_PACKET_HEADER, () => {
      const { frame } = sample;
      const head = frame.subarray(0, header);
      w.u32(ETHERNET);
      w.u32(frame.length + FCS_BYTES);
      w.u32(FCS_BYTES);
      opaque(w, head);
    });
    this.#add(FLOW_SAMPLE, w.take());
  }

  /** Once a second: counters when they are due, and everything that waits goes out. */
  run(): void {
    const now = this.#clock.nowMs();
    if (now - this.#polledMs >= this.settings.polling * 1000) {
      this.#polledMs = now;
      this.#addSwitchCounters();
      for (const port of this.#source.ports()) this.#addPortCounters(port);
    }
    this.#flush();
  }

  #addSwitchCounters(): void {
    const w = this.#startCounters(0, SWITCH_SOURCE, 2);
    record(w, APP_RESOURCES, () => {
      const { userCPUTime, systemCPUTime } = process.resourceUsage();
      w.u32(Math.floor(userCPUTime / 1000) >>> 0);
      w.u32(Math.floor(systemCPUTime / 1000) >>> 0);
      w.u64(BigInt(process.memoryUsage.rss()));
      w.u64(0n);
      for (let i = 0; i < 4; i++) w.u32(0);
    });
    record(w, OVS_DP_STATS, () => {
      const stats = this.#source.datapath();
      const { hit, missed, lost, maskHit, flows, masks } = stats;
      for (const n of [hit, missed, lost, maskHit, flows, masks]) w.u32(counter32(n));
    });
    this.#add(COUNTERS_SAMPLE, w.take());
  }

  #addPortCounters(port: SflowPort): void {
    if (port.ifindex === 0) return;
    const { stats } = port;
    const w = this.#startCounters(port.ifindex, port.ifindex, 4);
    record(w, ETHERNET_COUNTERS, () => {
      w.u32(0);
      w.u32(0);
      for (let i = 0; i < 11; i++) w.u32(UNKNOWN);
    });
    record(w, OPENFLOW_PORT, () => {
      w.u64(this.#source.datapathId);
      w.u32(port.ofport);
    });
    record(w, PORT_NAME, () => opaque(w, Buffer.from(port.name)));
    record(w, GENERIC_COUNTERS, () => {
      w.u32(port.ifindex);
      w.u32(IF_TYPE_ETHERNET);
      w.u64(BigInt(Math.max(0, Math.trunc(port.speed))));
      w.u32(1);
      w.u32((port.isUp ? 1 : 0) | (port.hasCarrier ? 2 : 0));
      const { rxBytes, rxPackets, rxDropped, rxErrors } = stats;
      w.u64(BigInt(Math.max(0, rxBytes)));
      for (const n of [rxPackets, 0, undefined, rxDropped, rxErrors, undefined])
        w.u32(counter32(n));
      const { txBytes, txPackets, txDropped, txErrors } = stats;
      w.u64(BigInt(Math.max(0, txBytes)));
      for (const n of [txPackets, undefined, undefined, txDropped, txErrors]) w.u32(counter32(n));
      w.u32(0);
    });
    this.#add(COUNTERS_SAMPLE, w.take());
  }

  #startCounters(index: number, source: number, records: number): ByteWriter {
    const sequence = ((this.#counterSequence.get(index) ?? 0) + 1) >>> 0;
    this.#counterSequence.set(index, sequence);
    const w = new ByteWriter();
    w.u32(sequence);
    w.u32(source);
    w.u32(records);
    return w;
  }

  #add(type: number, body: Uint8Array): void {
    const w = new ByteWriter(8 + body.length);
    w.u32(type);
    w.u32(body.length);
    w.bytes(body);
    if (this.#samples.length > 0 && this.#bytes + w.length > MAX_DATAGRAM - HEADER_BYTES) {
      this.#flush();
    }
    this.#samples.push(w.take());
    this.#bytes += w.length;
  }

  #flush(): void {
    if (this.#samples.length === 0) return;
    this.#sequence = (this.#sequence + 1) >>> 0;
    const w = new ByteWriter(MAX_DATAGRAM);
    w.u32(5);
    putAddress(w, this.settings.agent);
    w.u32(0);
    w.u32(this.#sequence);
    w.u32(Math.floor(this.#clock.nowMs() - this.#bootMs) >>> 0);
    w.u32(this.#samples.length);
    for (const sample of this.#samples) w.bytes(sample);
    this.#samples = [];
    this.#bytes = 0;
    this.#collectors.send(w.take());
  }
}

const HEADER_BYTES = 40;

/** Unknown when there is none. */
function counter32(n: number | undefined): number {
  return n === undefined || n < 0 ? UNKNOWN : n >>> 0;
}

function record(w: ByteWriter, type: number, body: () => void): void {
  w.u32(type);
  const at = w.grow(4);
  body();
  w.setU32(at, w.length - at - 4);
}

/** Its length, and zeros up to a multiple of four. */
function opaque(w: ByteWriter, data: Uint8Array): void {
  w.u32(data.length);
  w.bytes(data);
  w.grow(-data.length & 3);
}

function putAddress(w: ByteWriter, address: string): void {
  if (isIP(address) === 6) {
    w.u32(2);
    w.bytes(parseIpv6(address) ?? new Uint8Array(16));
  } else {
    w.u32(1);
    w.u32(parseIpv4(address) ?? 0);
  }
}
