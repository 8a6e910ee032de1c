/** LLDP of one interface (IEEE 802.1AB-2009) as a client of Auto Attach. */
import { type AaMapping, emitLldp, type LldpPdu, parseLldp } from './pdu.ts';

const TX_MS = 5000;
const TTL_S = 120;
const MAX_NEIGHBORS = 64;

export interface LldpSettings {
  readonly systemName: string;
  readonly systemDescription: string;
  /** VLAN by service id (I-SID). */
  readonly mappings: ReadonlyMap<number, number>;
}

export interface LldpNeighbor {
  readonly pdu: LldpPdu;
  readonly endMs: number;
}

/** A mapping and what the server has said of it; undefined: nothing yet. */
export interface MappingState {
  readonly isid: number;
  readonly vlan: number;
  status: number | undefined;
}

export class Lldp {
  readonly name: string;
  settings: LldpSettings;
  /** By chassis and port. */
  readonly neighbors = new Map<string, LldpNeighbor>();
  mappings: MappingState[] = [];
  nextTxMs: number;
  readonly stats = {
    tx: 0,
    rx: 0,
    discarded: 0,
    unrecognized: 0,
    ageout: 0,
    insert: 0,
    delete: 0,
    drop: 0,
  };

  constructor(name: string, settings: LldpSettings, nowMs: number) {
    this.name = name;
    this.settings = settings;
    this.nextTxMs = nowMs + TX_MS;
    this.configure(settings);
  }

  /** Mappings that stay keep their place and what was said of them. */
  configure(settings: LldpSettings): void {
    this.settings = settings;
    const kept = this.mappings.filter(({ isid, vlan }) => settings.mappings.get(isid) === vlan);
    const known = new Set(kept.map(({ isid }) => isid));
    for (const [isid, vlan] of settings.mappings) {
      if (!known.has(isid)) kept.push({ isid, vlan, status: undefined });
    }
    this.mappings = kept;
  }

  receive(frame: Uint8Array, nowMs: number): void {
    const { stats, neighbors } = this;
    stats.rx++;
    const { pdu, unrecognized } = parseLldp(frame);
    stats.unrecognized += unrecognized;
    if (!pdu) {
      stats.discarded++;
      return;
    }
    const key = `${Buffer.from(pdu.chassisId).toString('hex')}/${Buffer.from(pdu.portId).toString('hex')}`;
    if (pdu.ttlS === 0) {
      if (neighbors.delete(key)) stats.delete++;
      return;
    }
    if (!neighbors.has(key)) {
      if (neighbors.size >= MAX_NEIGHBORS) {
        stats.drop++;
        return;
      }
      stats.insert++;
    }
    neighbors.set(key, { pdu, endMs: nowMs + pdu.ttlS * 1000 });
    for (const told of pdu.aaMappings) this.#hear(told);
  }

  #hear({ isid, vlan, status }: AaMapping): void {
    for (const mapping of this.mappings) {
      if (mapping.isid === isid && mapping.vlan === vlan) mapping.status = status;
    }
  }

  /** Time passes: who was not heard of for long is forgotten. */
  run(nowMs: number): void {
    for (const [key, { endMs }] of this.neighbors) {
      if (endMs > nowMs) continue;
      this.neighbors.delete(key);
      this.stats.ageout++;
    }
  }

  /** The frame to send when `nextTxMs` has come. */
  send(nowMs: number, mac: number): Uint8Array | undefined {
    if (nowMs < this.nextTxMs) return undefined;
    this.nextTxMs = nowMs + TX_MS;
    this.stats.tx++;
    const { systemName, systemDescription } = this.settings;
    const mappings = this.mappings.map(({ isid, vlan }) => ({ isid, vlan, status: 0 }));
    const station = { mac, port: this.name, ttlS: TTL_S, systemName, systemDescription, mappings };
    return emitLldp(station);
  }

  get dueMs(): number {
    let due = this.nextTxMs;
    for (const { endMs } of this.neighbors.values()) due = Math.min(due, endMs);
    return due;
  }
}
