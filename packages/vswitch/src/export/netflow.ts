/** NetFlow version 5: what flows of IPv4 packets a bridge has seen (ovs-vswitchd.conf.db(5), NetFlow). */
import { ByteWriter } from '@heddle/openflow';
import { type Flow, IPPROTO_ICMP } from '@heddle/packet';
import type { Clock } from '@heddle/runtime';
import { Collectors, type Target } from './collectors.ts';

export interface NetFlowSettings {
  readonly targets: readonly Target[];
  readonly engineType: number;
  readonly engineId: number;
  /** -1: never. */
  readonly activeTimeoutMs: number;
  /** The engine's id in the upper bits of interfaces. */
  readonly addIdToInterface: boolean;
}

/** Output interfaces that are no port. */
export const NETFLOW_OUT_FLOOD = 0xffff;
export const NETFLOW_OUT_MULTI = 0xfffe;
export const NETFLOW_OUT_DROP = 0xfffd;

const RECORDS_PER_DATAGRAM = 30;
/** A flow without packets for so long has ended. */
const IDLE_MS = 10_000;
const MAX_FLOWS = 100_000;
/** A flow's counters are 32 bits wide. */
const MAX_COUNT = 0xffff_ffff;

export interface Packets {
  readonly packets: number;
  readonly bytes: number;
  readonly tcpFlags: number;
  readonly usedMs: number;
}

interface FlowRecord {
  readonly flow: Flow;
  output: number;
  packets: number;
  bytes: number;
  tcpFlags: number;
  readonly createdMs: number;
  usedMs: number;
  reportedMs: number;
}

export class NetFlow {
  settings: NetFlowSettings;
  readonly #clock: Clock;
  readonly #bootMs: number;
  readonly #flows = new Map<string, FlowRecord>();
  #collectors: Collectors;
  #sequence = 0;

  constructor(settings: NetFlowSettings, clock: Clock) {
    this.settings = settings;
    this.#clock = clock;
    this.#bootMs = clock.nowMs();
    this.#collectors = new Collectors(settings.targets);
  }

  configure(settings: NetFlowSettings): void {
    this.#collectors.close();
    this.#collectors = new Collectors(settings.targets);
    this.settings = settings;
  }

  get flowCount(): number {
    return this.#flows.size;
  }

  /** Packets of a flow have passed, with the port that they came by in `flow`. */
  count(flow: Flow, output: number, { packets, bytes, tcpFlags, usedMs }: Packets): void {
    const key = keyOf(flow);
    let record = this.#flows.get(key);
    if (!record) {
      if (this.#flows.size >= MAX_FLOWS) this.#makeRoom();
      const start = { packets: 0, bytes: 0, tcpFlags: 0, createdMs: usedMs, usedMs };
      record = { flow, output, ...start, reportedMs: this.#clock.nowMs() };
      this.#flows.set(key, record);
    }
    record.output = output;
    record.packets = Math.min(record.packets + packets, MAX_COUNT);
    record.bytes = Math.min(record.bytes + bytes, MAX_COUNT);
    record.tcpFlags |= tcpFlags;
    record.usedMs = Math.max(record.usedMs, usedMs);
  }

  /** Reports the flow that is known for the longest time, and forgets it. */
  #makeRoom(): void {
    const [oldest] = this.#flows;
    if (!oldest) return;
    this.#flows.delete(oldest[0]);
    if (oldest[1].packets > 0) this.#send([oldest[1]]);
  }

  /** Once a second: reports flows that have ended, or that go on for long. */
  run(): void {
    const now = this.#clock.nowMs();
    const { activeTimeoutMs } = this.settings;
    const due: FlowRecord[] = [];
    for (const [key, record] of this.#flows) {
      const hasEnded = now - record.usedMs > IDLE_MS;
      const isDue = activeTimeoutMs >= 0 && now - record.reportedMs >= activeTimeoutMs;
      if (!hasEnded && !isDue) continue;
      if (record.packets > 0) due.push(record);
      record.reportedMs = now;
      if (hasEnded) this.#flows.delete(key);
    }
    for (let i = 0; i < due.length; i += RECORDS_PER_DATAGRAM) {
      this.#send(due.slice(i, i + RECORDS_PER_DATAGRAM));
    }
  }

  /** Reports everything. */
  close(): void {
    const rest = [...this.#flows.values()].filter((r) => r.packets > 0);
    this.#flows.clear();
    for (let i = 0; i < rest.length; i += RECORDS_PER_DATAGRAM) {
      this.#send(rest.slice(i, i + RECORDS_PER_DATAGRAM));
    }
    this.#collectors.close();
  }

  #send(records: readonly FlowRecord[]): void {
    const w = new ByteWriter(24 + 48 * records.length);
    this.#putHeader(w, records.length);
    for (const record of records) {
      this.#putRecord(w, record);
      record.packets = 0;
      record.bytes = 0;
      record.tcpFlags = 0;
    }
    this.#sequence = (this.#sequence + records.length) >>> 0;
    this.#collectors.send(w.take());
  }

  #putHeader(w: ByteWriter, count: number): void {
    const wall = this.#clock.wallMs();
    w.u16(5);
    w.u16(count);
    w.u32(this.#sinceBoot(this.#clock.nowMs()));
    w.u32(Math.floor(wall / 1000) >>> 0);
    w.u32(Math.round((wall % 1000) * 1e6) >>> 0);
    w.u32(this.#sequence);
    w.byte(this.settings.engineType);
    w.byte(this.settings.engineId);
    w.u16(0);
  }

  #putRecord(w: ByteWriter, record: FlowRecord): void {
    const { flow } = record;
    w.u32(flow.nwSrc);
    w.u32(flow.nwDst);
    w.u32(0);
    w.u16(this.#interface(flow.inPort));
    w.u16(this.#interface(record.output));
    w.u32(record.packets);
    w.u32(record.bytes);
    w.u32(this.#sinceBoot(record.createdMs));
    w.u32(this.#sinceBoot(record.usedMs));
    const isIcmp = flow.nwProto === IPPROTO_ICMP;
    // Type and code are where the destination's port would be.
    w.u16(isIcmp ? 0 : flow.tpSrc);
    w.u16(isIcmp ? ((flow.tpSrc & 0xff) << 8) | (flow.tpDst & 0xff) : flow.tpDst);
    w.byte(0);
    w.byte(record.tcpFlags & 0xff);
    w.byte(flow.nwProto);
    w.byte(flow.nwTos & DSCP);
    w.u64(0n);
  }

  #interface(port: number): number {
    const { addIdToInterface, engineId } = this.settings;
    return addIdToInterface ? ((engineId & 0x7f) << 9) | (port & 0x1ff) : port & 0xffff;
  }

  #sinceBoot(ms: number): number {
    return Math.max(0, Math.round(ms - this.#bootMs)) >>> 0;
  }
}

const DSCP = 0xfc;

function keyOf({ inPort, nwSrc, nwDst, nwProto, nwTos, tpSrc, tpDst }: Flow): string {
  return `${inPort} ${nwSrc} ${nwDst} ${nwProto} ${nwTos & DSCP} ${tpSrc} ${tpDst}`;
}
