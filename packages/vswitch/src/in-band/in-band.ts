/** Keeps the flows of in-band control in line with the database, the devices and the routes. */
import { NetlinkError, Rtnl } from '@heddle/linux';
import { parseFlowMod } from '@heddle/openflow';
import type { Idl } from '@heddle/ovsdb';
import { messageOf, vlog } from '@heddle/runtime';
import type { Bridge } from '../bridge.ts';
import type { Devices } from '../devices/devices.ts';
import { guarded } from '../guarded.ts';
import { NO_FLAGS, Rule } from '../ofproto/rule.ts';
import type { Schema } from '../port-config.ts';
import type { TunnelRoutes } from '../tunnel/routes.ts';
import { type InBandConfig, inBandConfig } from './config.ts';
import { inBandFlows } from './flows.ts';
import { isSame, type LocalAddress, setLocalAddress } from './local-address.ts';
import { NextHops } from './next-hops.ts';

const log = vlog.module('in_band');

interface State {
  config: InBandConfig;
  /** What the local port was given. */
  local: LocalAddress | undefined;
  readonly rules: Map<string, Rule>;
}

export class InBandControl {
  readonly #devices: Devices;
  readonly #hops: NextHops;
  /** Devices are the kernel's. */
  readonly #isReal: boolean;
  readonly #states = new WeakMap<Bridge, State>();

  constructor(devices: Devices, routes: TunnelRoutes, isReal: boolean) {
    this.#devices = devices;
    this.#hops = new NextHops(routes);
    this.#isReal = isReal;
  }

  /** In force from the next `run` on. */
  configure(idl: Idl<Schema>, bridge: Bridge): void {
    const config = inBandConfig(idl, bridge.row);
    const state = this.#states.get(bridge) ?? { config, local: undefined, rules: new Map() };
    state.config = config;
    this.#states.set(bridge, state);
    this.#setLocal(bridge, state);
  }

  /** Once a second, too: addresses come, go and change without the database. */
  run(bridges: Iterable<Bridge>): void {
    const wanted = new Set<string>();
    for (const bridge of bridges) {
      const state = this.#states.get(bridge);
      if (!state || (state.config.remotes.length === 0 && state.rules.size === 0)) continue;
      const addresses = new Set(state.config.remotes.map((r) => r.address));
      for (const address of addresses) wanted.add(address);
      guarded({ of: `bridge ${bridge.name}`, feature: 'in-band flows' }, undefined, () => {
        const macs = this.#isReal ? this.#hops.macsOf(addresses, bridge.ofprotoDpif.nowMs()) : [];
        if (this.#update(bridge, state, macs)) bridge.ofprotoDpif.tablesChanged();
      });
    }
    this.#hops.retain(wanted);
  }

  #setLocal(bridge: Bridge, state: State): void {
    const { local } = state.config;
    if (!local || !this.#isReal || isSame(local, state.local)) return;
    using rtnl = new Rtnl();
    try {
      setLocalAddress(rtnl, bridge.name, local, state.local);
      state.local = local;
    } catch (error) {
      if (!(error instanceof NetlinkError)) throw error;
      log.rl.err(`${bridge.name}: failed to set the local address: ${messageOf(error)}`);
    }
  }

  /** Whether flows have come or gone. */
  #update(
    { ofproto, name, ofprotoDpif }: Bridge,
    { config, rules }: State,
    hopMacs: string[],
  ): boolean {
    const table = ofproto.tables.at(0);
    const { remotes, queue } = config;
    const actions = queue === undefined ? 'NORMAL' : `set_queue:${queue},NORMAL`;
    const flows = inBandFlows(remotes, this.#devices.device(name)?.mac, hopMacs);
    const wanted = new Map(flows.map((f) => [`${f.priority},${f.match},actions=${actions}`, f]));
    let changed = ofproto.isInBand !== remotes.length > 0;
    ofproto.isInBand = remotes.length > 0;
    for (const [key, rule] of rules) {
      const isThere = table.classifier.has(rule);
      if (isThere && wanted.has(key)) continue;
      if (isThere) {
        table.remove(rule);
        rule.subtable?.release(rule);
      }
      rules.delete(key);
      changed = true;
    }
    for (const [key, { priority, match }] of wanted) {
      if (rules.has(key)) continue;
      const mod = parseFlowMod(`${match},actions=${actions}`, 'add').flowMod;
      const state = { ...NEVER_ENDS, actions: mod.actions };
      const rule = new Rule(table, priority, state, ofprotoDpif.nowMs());
      table.insert(rule, mod.match.key, mod.match.mask);
      rules.set(key, rule);
      changed = true;
    }
    return changed;
  }
}

const NEVER_ENDS = {
  cookie: 0n,
  idleTimeout: 0,
  hardTimeout: 0,
  importance: 0,
  flags: NO_FLAGS,
} as const;
