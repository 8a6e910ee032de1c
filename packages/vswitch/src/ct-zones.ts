/**
 * What the database says of conntrack zones (ovs-vswitchd.conf.db(5), tables Datapath, CT_Zone and
 * CT_Timeout_Policy): timeout policies and limits of a datapath.
 */
import { type CtTimeouts, DEFAULT_TIMEOUTS, type DpConntrack } from '@heddle/datapath';
import { vlog } from '@heddle/runtime';

const log = vlog.module('bridge');
const MAX_POLICY = 255;
const NAMES = Object.keys(DEFAULT_TIMEOUTS) as (keyof CtTimeouts)[];

export interface CtZoneConfig {
  /** Seconds by name; names that no datapath of ours has are left out. */
  readonly timeouts?: ReadonlyMap<string, number> | undefined;
  readonly limit?: number | undefined;
}

export interface CtConfig {
  readonly zones: ReadonlyMap<number, CtZoneConfig>;
  readonly defaultLimit?: number | undefined;
}

function fullTimeouts(given: ReadonlyMap<string, number>): CtTimeouts {
  const all = { ...DEFAULT_TIMEOUTS };
  for (const name of NAMES) all[name] = given.get(name) ?? all[name];
  return all;
}

function textOf(timeouts: Readonly<CtTimeouts>): string {
  return NAMES.map((name) => timeouts[name]).join();
}

export class CtZones {
  readonly #ct: DpConntrack | undefined;
  /** By the text of their timeouts; zones that have the same share one. */
  #ids = new Map<string, number>();
  #byZone = new Map<number, number>();
  /** Zones whose limit is the database's, and whether the default is. */
  #limited = new Set<number>();
  #isDefaultOurs = false;

  constructor(ct: DpConntrack | undefined) {
    this.#ct = ct;
    for (const [id, timeouts] of ct?.timeoutPolicies() ?? []) this.#ids.set(textOf(timeouts), id);
  }

  policyOf(zone: number): number | undefined {
    return this.#byZone.get(zone);
  }

  /** Brings the datapath to what is configured; true when zones have other policies than before. */
  configure({ zones, defaultLimit }: CtConfig): boolean {
    if (!this.#ct) return false;
    this.#configureLimits(this.#ct, zones, defaultLimit);
    return this.#configurePolicies(this.#ct, zones);
  }

  #configurePolicies(ct: DpConntrack, zones: CtConfig['zones']): boolean {
    const wanted = new Map<string, { timeouts: CtTimeouts; zones: number[] }>();
    for (const [zone, { timeouts: given }] of zones) {
      if (!given) continue;
      const timeouts = fullTimeouts(given);
      const text = textOf(timeouts);
      const known = wanted.get(text);
      if (known) known.zones.push(zone);
      else wanted.set(text, { timeouts, zones: [zone] });
    }
    for (const [text, id] of this.#ids) {
      if (wanted.has(text)) continue;
      ct.setTimeoutPolicy(id, undefined);
      this.#ids.delete(text);
    }
    const byZone = new Map<number, number>();
    for (const [text, policy] of wanted) {
      const id = this.#ids.get(text) ?? this.#add(ct, text, policy.timeouts);
      if (id !== undefined) for (const zone of policy.zones) byZone.set(zone, id);
    }
    const before = this.#byZone;
    this.#byZone = byZone;
    return byZone.size !== before.size || [...byZone].some(([z, id]) => before.get(z) !== id);
  }

  #add(ct: DpConntrack, text: string, timeouts: CtTimeouts): number | undefined {
    const used = new Set(this.#ids.values());
    let id = 1;
    while (used.has(id)) id++;
    if (id > MAX_POLICY) {
      log.rl.warn(`more than ${MAX_POLICY} timeout policies: one is not used`);
      return undefined;
    }
    ct.setTimeoutPolicy(id, timeouts);
    this.#ids.set(text, id);
    return id;
  }

  #configureLimits(
    ct: DpConntrack,
    zones: CtConfig['zones'],
    defaultLimit: number | undefined,
  ): void {
    if (defaultLimit !== undefined) ct.defaultLimit = defaultLimit;
    else if (this.#isDefaultOurs) ct.defaultLimit = 0;
    this.#isDefaultOurs = defaultLimit !== undefined;
    for (const zone of this.#limited) {
      if (zones.get(zone)?.limit !== undefined) continue;
      ct.setZoneLimit(zone, undefined);
      this.#limited.delete(zone);
    }
    for (const [zone, { limit }] of zones) {
      if (limit === undefined) continue;
      ct.setZoneLimit(zone, limit);
      this.#limited.add(zone);
    }
  }
}
