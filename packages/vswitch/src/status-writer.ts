/** What the switch writes into the database: how things are, and what was counted. */
import { readFileSync } from 'node:fs';
import type { CommitResult, Idl } from '@heddle/ovsdb';
import { dirs, OVS_VERSION, vlog } from '@heddle/runtime';
import { Bridge } from './bridge.ts';
import { controllerStatus } from './controller-rows.ts';
import { writeCapabilities } from './ct-config.ts';
import { guarded, type Part, partOf } from './guarded.ts';
import type { Iface } from './iface.ts';
import { interfaceStatus, statisticsMap } from './iface-status.ts';
import { writeMirrorStatistics } from './mirror-config.ts';
import type { OfPort } from './ofproto.ts';
import type { OpenVSwitchRow, Schema } from './port-config.ts';
import { writeTree } from './spanning-tree/configure.ts';
import type { Switch } from './switch.ts';
import { systemStatistics } from './system-statistics.ts';
import { formatAddress } from './tunnel/config.ts';

type Txn = ReturnType<Idl<Schema>['txn']>;

const log = vlog.module('bridge');
const STATUS_DELAY_MS = 50;

type Subject = Pick<Switch, 'idl' | 'bridges' | 'backers' | 'devices' | 'routes' | 'options'>;

interface Hooks {
  /** A configuration is in force, and the database is ours to write. */
  readonly mayWrite: () => boolean;
  /** The database has changed in between. */
  readonly tryAgain: () => void;
}

/** What one row, or a few, are told. */
interface Write {
  readonly part: Part;
  readonly into: (txn: ReturnType<Idl<Schema>['txn']>) => void;
}

export class StatusWriter {
  readonly #sw: Subject;
  readonly #hooks: Hooks;

  constructor(sw: Subject, hooks: Hooks) {
    this.#sw = sw;
    this.#hooks = hooks;
  }

  /** What there is, once a configuration (`next_cfg`) is in force. */
  async writeAll(root: OpenVSwitchRow, nextCfg: number, isFirst: boolean): Promise<void> {
    const writes = this.#writes(root, nextCfg, isFirst);
    if ((await this.#commit(writes)) !== 'error') return;
    // What the database refuses of one row is not to keep others, and cur_cfg, from it.
    for (const write of writes) await this.#commit([write]);
  }

  #writes(root: OpenVSwitchRow, nextCfg: number, isFirst: boolean): Write[] {
    const { idl, bridges, backers, options } = this.#sw;
    const writes: Write[] = [
      {
        part: { of: 'datapaths', feature: 'capabilities' },
        into: (txn) => writeCapabilities(txn, idl, root, backers.values()),
      },
    ];
    for (const bridge of bridges.values()) {
      writes.push({
        part: { of: `bridge ${bridge.name}`, feature: 'status' },
        into: (txn) => {
          this.#writeBridge(txn, bridge);
          controllerStatus(txn, idl, bridge);
        },
      });
      for (const iface of bridge.ifaces.values()) {
        const part = partOf(iface, 'status');
        writes.push({ part, into: (txn) => this.#writeStatus(txn, iface) });
      }
    }
    // Who waits for cur_cfg finds all else written.
    writes.push({
      part: { of: 'Open vSwitch', feature: 'status' },
      into: (txn) =>
        txn.update('Open_vSwitch', root._uuid, {
          cur_cfg: nextCfg,
          ovs_version: OVS_VERSION,
          db_version: idl.schema.version,
          datapath_types: [...options.datapathTypes],
          iface_types: [...options.ifaceTypes],
          dpdk_initialized: false,
          ...(isFirst && systemColumns()),
          statistics: this.#system(root),
        }),
    });
    return writes;
  }

  async #commit(writes: readonly Write[]): Promise<CommitResult['status']> {
    const txn = this.#sw.idl.txn();
    for (const { part, into } of writes) guarded(part, undefined, () => into(txn));
    const result = await txn.commit();
    if (result.status === 'error') {
      const of = writes.length === 1 ? `${writes[0]!.part.of}: ` : '';
      log.rl.err(`${of}database: ${result.error}: ${result.details}`);
    } else if (result.status === 'try-again') this.#hooks.tryAgain();
    return result.status;
  }

  #systemStatistics: ReadonlyMap<string, string> | undefined;

  /** Taken at once when they are enabled, then as often as `writeSystemStatistics` is called. */
  #system(root: OpenVSwitchRow): ReadonlyMap<string, string> {
    if (root.other_config.get('enable-statistics') !== 'true') this.#systemStatistics = undefined;
    else this.#systemStatistics ??= systemStatistics(dirs.rundir);
    return this.#systemStatistics ?? new Map();
  }

  writeSystemStatistics(): void {
    const root = this.#sw.idl.rows('Open_vSwitch')[0];
    if (!root || !this.#systemStatistics || !this.#hooks.mayWrite()) return;
    this.#systemStatistics = undefined;
    const txn = this.#sw.idl.txn();
    txn.update('Open_vSwitch', root._uuid, { statistics: this.#system(root) });
    void txn.commit();
  }

  #writeBridge(txn: Txn, bridge: Bridge): void {
    txn.update('Bridge', bridge.row._uuid, {
      datapath_id: bridge.datapathId || undefined,
      datapath_version: '<built-in>',
    });
    bridge.writeBonds(txn, this.#sw.idl);
    writeTree(txn, this.#sw.idl, bridge);
  }

  /** Counters of what has just been opened too: who reads the row need not wait for the next time. */
  #writeStatus(txn: Txn, iface: Iface): void {
    if (!this.#sw.idl.get('Interface', iface.row._uuid)) return;
    const link = iface.type === 'patch' ? undefined : this.#sw.devices.device(iface.name);
    const status = interfaceStatus(iface, link);
    const egress = this.#egressOf(iface);
    const { port } = iface;
    txn.update('Interface', iface.row._uuid, {
      ...status,
      ...(egress && { status: egress }),
      ...(port && !this.#counted.has(port) && { statistics: this.#statisticsOf(iface) }),
    });
    if (port) this.#counted.add(port);
  }

  /** The device that a tunnel's packets leave by (ovs-vswitchd.conf.db(5), "Interface Status"). */
  #egressOf(iface: Iface): ReadonlyMap<string, string> | undefined {
    const tunnel = iface.port?.tunnel;
    if (!tunnel) return undefined;
    const route =
      tunnel.remote === 'flow'
        ? undefined
        : this.#sw.routes.lookup(formatAddress(tunnel.remote), tunnel.egressPktMark ?? 0);
    if (!route) return new Map();
    const device = this.#sw.devices.device(route.device);
    return new Map([
      ['tunnel_egress_iface', route.device],
      ['tunnel_egress_iface_carrier', device?.carrier ? 'up' : 'down'],
    ]);
  }

  /** Whose counters have been written. */
  readonly #counted = new WeakSet<OfPort>();
  readonly #egress = new WeakMap<Iface, string>();

  /** Whether tunnels leave by other devices than when this was last asked. */
  followEgress(ifaces: readonly Iface[]): boolean {
    let changed = false;
    for (const iface of ifaces) {
      const egress = this.#egressOf(iface);
      if (!egress) continue;
      const text = [...egress.values()].join(' ');
      const known = this.#egress.get(iface);
      this.#egress.set(iface, text);
      if (known === undefined || known === text) continue;
      this.soon(iface);
      changed = true;
    }
    return changed;
  }

  #statusTimer: NodeJS.Timeout | undefined;
  readonly #statusOf = new Set<Iface | Bridge>();

  /** Writes an interface's or a bridge's status soon: events come in bursts. */
  soon(of: Iface | Bridge): void {
    this.#statusOf.add(of);
    this.#statusTimer ??= setTimeout(() => {
      this.#statusTimer = undefined;
      const due = [...this.#statusOf];
      this.#statusOf.clear();
      if (!this.#hooks.mayWrite()) return;
      const txn = this.#sw.idl.txn();
      for (const i of due) {
        if (i instanceof Bridge) {
          if (this.#sw.bridges.get(i.name) !== i) continue;
          const part = { of: `bridge ${i.name}`, feature: 'status' };
          guarded(part, undefined, () => this.#writeBridge(txn, i));
        } else if (this.#sw.bridges.get(i.home.bundle.bridge.name)?.ifaces.get(i.name) === i) {
          guarded(partOf(i, 'status'), undefined, () => this.#writeStatus(txn, i));
        }
      }
      void txn.commit();
    }, STATUS_DELAY_MS);
  }

  /** Counters, and what else changes without an event. */
  writeStatistics(): void {
    if (!this.#hooks.mayWrite()) return;
    const txn = this.#sw.idl.txn();
    for (const bridge of this.#sw.bridges.values()) {
      writeMirrorStatistics(txn, this.#sw.idl, bridge.ofproto, bridge.row);
      for (const iface of bridge.ifaces.values()) {
        if (!iface.port || !this.#sw.idl.get('Interface', iface.row._uuid)) continue;
        txn.update('Interface', iface.row._uuid, { statistics: this.#statisticsOf(iface) });
      }
    }
    for (const bridge of this.#sw.bridges.values()) {
      bridge.writeBonds(txn, this.#sw.idl);
      if (bridge.ofproto.tree) writeTree(txn, this.#sw.idl, bridge);
      controllerStatus(txn, this.#sw.idl, bridge);
    }
    void txn.commit();
  }

  #statisticsOf(iface: Iface): ReadonlyMap<string, number> {
    const { odpPort, stats, tunnel } = iface.port!;
    if (odpPort !== undefined && !tunnel)
      return statisticsMap(iface.home.backer.dpif.portStats(odpPort));
    const { rxPackets, rxBytes, txPackets, txBytes } = stats;
    return new Map([
      ['rx_bytes', rxBytes],
      ['rx_packets', rxPackets],
      ['tx_bytes', txBytes],
      ['tx_packets', txPackets],
    ]);
  }
}

function systemColumns(): { system_type: string; system_version: string } {
  let text = '';
  try {
    text = readFileSync('/etc/os-release', 'utf8');
  } catch {
    // Not every system has one.
  }
  const value = (key: string) =>
    new RegExp(`^${key}="?([^"\n]*)"?$`, 'm').exec(text)?.[1] ?? 'unknown';
  return { system_type: value('ID'), system_version: value('VERSION_ID') };
}
