/** An Interface row made real: its device, its port in the datapath, or why there is none. */
import { createHash } from 'node:crypto';
import type { OdpPort, VportType } from '@heddle/datapath';
import { Rtnl, Tap } from '@heddle/linux';
import { messageOf, SystemError, strerror, vlog } from '@heddle/runtime';
import type { Backer } from './backer.ts';
import { type Faulty, guarded, guardedAsync, partOf } from './guarded.ts';
import type { OfportMap } from './ofport-map.ts';
import { type Bundle, OfPort } from './ofproto.ts';
import type { InterfaceRow } from './port-config.ts';
import {
  isTunnelType,
  parseTunnelOptions,
  type TunnelConfig,
  UNSUPPORTED_TUNNELS,
} from './tunnel/config.ts';

const log = vlog.module('bridge');

/** Where an interface belongs. */
export interface IfaceHome {
  readonly backer: Backer;
  readonly bundle: Bundle;
  readonly ofports: OfportMap;
  readonly isLocal: boolean;
}

export class Iface implements Faulty {
  readonly name: string;
  readonly type: string;
  readonly home: IfaceHome;
  row: InterfaceRow;
  /** Undefined while it is not open. */
  port: OfPort | undefined;
  /** Why it is not open. */
  error: string | undefined;
  readonly faults = new Map<string, string>();
  linkResets = 0;
  #wasLinkUp: boolean | undefined;
  /** What a tunnel was last configured from. */
  #options = '';

  constructor(row: InterfaceRow, type: string, home: IfaceHome) {
    this.row = row;
    this.name = row.name;
    this.type = type;
    this.home = home;
  }

  /** The type that a row asks for; a bridge's own interface is internal whatever it says. */
  static typeOf(row: InterfaceRow, bridge: string): string {
    if (row.name === bridge) return 'internal';
    return row.type === '' ? 'system' : row.type;
  }

  get isOpen(): boolean {
    return this.port !== undefined;
  }

  /** What its row tells is wrong: it could not be opened, or a feature of it could not be configured. */
  get problem(): string | undefined {
    return this.error ?? this.faults.values().next().value;
  }

  /** Counts how often the carrier is seen to change. */
  sawLink(up: boolean): void {
    if (this.#wasLinkUp !== undefined && this.#wasLinkUp !== up) this.linkResets++;
    this.#wasLinkUp = up;
  }

  get odpPort(): OdpPort | undefined {
    return this.port?.odpPort;
  }

  /** Tries to open it; what is wrong ends in `error`. */
  async open(adopted: ReadonlyMap<string, { portNo: OdpPort; type: VportType }>): Promise<void> {
    if (this.isOpen) return;
    this.error = undefined;
    if (this.type === 'patch') {
      const problem = this.#patchProblem();
      if (problem !== undefined) this.#fail(problem);
      else this.#enter(undefined);
      if (this.port) this.port.hwAddr = addressOf(this.name);
      return;
    }
    if (UNSUPPORTED_TUNNELS.has(this.type)) {
      this.#fail(`${this.name}: tunnels of type ${this.type} are not supported by the datapath`);
      return;
    }
    if (!(this.home.backer.dpif.portTypes as readonly string[]).includes(this.type)) {
      this.#fail(`could not open network device ${this.name} (${strerror('EAFNOSUPPORT')})`);
      return;
    }
    if (isTunnelType(this.type)) await this.#openTunnel();
    else await this.#openDevice(adopted.get(this.name));
  }

  /** Leaves the datapath; an internal device goes with it. Never throws. */
  async close(): Promise<void> {
    const { port, home } = this;
    this.port = undefined;
    if (!port) return;
    const { bundle, backer } = home;
    bundle.ports.splice(bundle.ports.indexOf(port), 1);
    bundle.bridge.ports.delete(port.ofport);
    home.ofports.release(port.ofport);
    backer.monitor.forget(port);
    bundle.bridge.macs.flush(bundle);
    bundle.bridge.snooping?.flush(bundle);
    if (port.tunnel) {
      backer.tunnels.remove(port);
      await guardedAsync(partOf(this, 'tunnel'), undefined, () => backer.vports.release(port));
      return;
    }
    if (port.odpPort === undefined) return;
    backer.ports.delete(port.odpPort);
    try {
      await backer.dpif.portDel(port.odpPort);
    } catch (error) {
      log.rl.warn(`${this.name}: ${messageOf(error)}`);
    }
    if (this.type !== 'tap' || backer.dpif.engine !== 'kernel') return;
    guarded(partOf(this, 'tap device'), undefined, () => removeTap(this.name));
  }

  async #openDevice(known: { portNo: OdpPort; type: VportType } | undefined): Promise<void> {
    const { dpif } = this.home.backer;
    const type = this.type as VportType;
    try {
      if (known && known.type === type) {
        this.#enter(known.portNo);
        return;
      }
      if (known) await dpif.portDel(known.portNo);
      if (type === 'tap' && dpif.engine === 'kernel') this.#makeTap();
      this.#enter(await dpif.portAdd(this.name, type));
    } catch (error) {
      const code = error instanceof SystemError ? error.code : undefined;
      const text = code === undefined ? messageOf(error) : strerror(code);
      this.#fail(
        code === 'ENODEV' || code === undefined
          ? `could not open network device ${this.name} (${text})`
          : `could not add network device ${this.name} to ofproto (${text})`,
      );
    }
  }

  /** Options that have changed take effect; a tunnel or patch that there cannot be closes. */
  async reconfigure(): Promise<boolean> {
    const { port, type } = this;
    if (port && type === 'patch') {
      const problem = this.#patchProblem();
      if (problem === undefined) return false;
      this.#fail(problem);
      await this.close();
      return true;
    }
    if (!port?.tunnel || !isTunnelType(type)) return false;
    const text = optionsText(this.row.options);
    if (text === this.#options) return false;
    const config = this.#tunnelConfig();
    if (!config || !(await this.#placeTunnel(port, config))) await this.close();
    return true;
  }

  async #openTunnel(): Promise<void> {
    const config = this.#tunnelConfig();
    if (!config) return;
    this.#enter(undefined);
    const { port } = this;
    if (port && !(await this.#placeTunnel(port, config))) await this.close();
  }

  #tunnelConfig(): TunnelConfig | undefined {
    if (!isTunnelType(this.type)) return undefined;
    this.#options = optionsText(this.row.options);
    const parsed = parseTunnelOptions(this.name, this.type, this.row.options);
    for (const warning of parsed.warnings) log.rl.warn(warning, warning);
    if (!parsed.config) this.#fail(parsed.errors.join('\n'));
    return parsed.config;
  }

  /** In the datapath and where received packets are told apart; false: there is no place. */
  async #placeTunnel(port: OfPort, config: TunnelConfig): Promise<boolean> {
    const { backer } = this.home;
    try {
      const odpPort = await backer.vports.acquire(port, config);
      const taken = (by: string, match: string) =>
        log.rl.warn(
          `${this.name}: attempting to add tunnel port with same config as port '${by}' (${match})`,
        );
      if (backer.tunnels.add(port, odpPort, config, taken)) {
        port.tunnel = config;
        port.hwAddr = addressOf(this.name);
        port.odpPort = odpPort;
        return true;
      }
      this.#fail(`could not add network device ${this.name} to ofproto (${strerror('EEXIST')})`);
    } catch (error) {
      // What it has taken as a tunnel is given back when it is closed.
      port.tunnel ??= config;
      if (!(error instanceof SystemError)) throw error;
      this.#fail(
        error.code === 'EEXIST'
          ? `${this.name}: VXLAN-GBP, and non-VXLAN-GBP tunnels can't be configured on the same dst_port`
          : `could not add network device ${this.name} to ofproto (${strerror(error.code)})`,
      );
    }
    port.tunnel ??= config;
    return false;
  }

  #makeTap(): void {
    using rtnl = new Rtnl();
    if (rtnl.link(this.name)) return;
    const tap = new Tap(this.name);
    tap.persist(true).close();
  }

  #patchProblem(): string | undefined {
    const peer = this.row.options.get('peer');
    if (peer === undefined) return `${this.name}: patch type requires valid 'peer' argument`;
    if (peer === this.name) return `${this.name}: patch peer must not be self`;
    return undefined;
  }

  #enter(odpPort: OdpPort | undefined): void {
    const { bundle, ofports, isLocal, backer } = this.home;
    const hint = this.row.ofport !== undefined && this.row.ofport > 0 ? this.row.ofport : undefined;
    const ofport = ofports.allocate(this.name, isLocal, this.row.ofport_request, hint);
    if (ofport === undefined) {
      this.#fail(`could not add network device ${this.name} to ofproto (${strerror('EFBIG')})`);
      return;
    }
    const port = new OfPort(this.name, ofport, bundle);
    port.odpPort = odpPort;
    bundle.ports.push(port);
    bundle.bridge.ports.set(ofport, port);
    if (odpPort !== undefined) backer.ports.set(odpPort, port);
    this.port = port;
    log.info(`bridge ${bundle.bridge.name}: added interface ${this.name} on port ${ofport}`);
  }

  #fail(error: string): void {
    if (this.error !== error) log.rl.warn(error, this.name);
    this.error = error;
  }
}

/** Which may be gone already. */
function removeTap(name: string): void {
  using rtnl = new Rtnl();
  const link = rtnl.link(name);
  if (link?.name === name) rtnl.deleteLink(link.index);
}

function optionsText(options: ReadonlyMap<string, string>): string {
  return JSON.stringify([...options].sort());
}

/** A tunnel has no device that had an address: one of its own, the same each time. */
function addressOf(name: string): number {
  const hash = createHash('sha256').update(name).digest();
  return ((hash[0]! & 0xfc) | 2) * 2 ** 40 + hash.readUIntBE(1, 5);
}
