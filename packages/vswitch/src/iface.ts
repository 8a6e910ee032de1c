/** An Interface row made real: its device, its port in the datapath, or why there is none. */
import type { OdpPort, VportType } from '@heddle/datapath';
import { Rtnl, Tap } from '@heddle/linux';
import { messageOf, SystemError, strerror, vlog } from '@heddle/runtime';
import type { Backer } from './backer.ts';
import type { OfportMap } from './ofport-map.ts';
import { type Bundle, OfPort } from './ofproto.ts';
import type { InterfaceRow } from './port-config.ts';

const log = vlog.module('bridge');

export interface IfaceHome {
  readonly backer: Backer;
  readonly bundle: Bundle;
  readonly ofports: OfportMap;
  readonly isLocal: boolean;
}

export class Iface {
  readonly name: string;
  readonly type: string;
  readonly home: IfaceHome;
  row: InterfaceRow;
  port: OfPort | undefined;
  error: string | undefined;
  linkResets = 0;

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

  get odpPort(): OdpPort | undefined {
    return this.port?.odpPort;
  }

  /** Tries to open it; what is wrong ends in `error`. */
  async open(adopted: ReadonlyMap<string, { portNo: OdpPort; type: VportType }>): Promise<void> {
    if (this.port) return;
    this.error = undefined;
    if (this.type === 'patch') {
      const problem = this.#patchProblem();
      if (problem !== undefined) this.#fail(problem);
      else this.#enter(undefined);
      return;
    }
    if (!(this.home.backer.dpif.portTypes as readonly string[]).includes(this.type)) {
      this.#fail(`could not open network device ${this.name} (${strerror('EAFNOSUPPORT')})`);
      return;
    }
    await this.#openDevice(adopted.get(this.name));
  }

  /** Leaves the datapath; an internal device goes with it. */
  async close(): Promise<void> {
    const { port, home } = this;
    this.port = undefined;
    if (!port) return;
    const { bundle, backer } = home;
    bundle.ports.splice(bundle.ports.indexOf(port), 1);
    bundle.bridge.ports.delete(port.ofport);
    home.ofports.release(port.ofport);
    bundle.bridge.macs.flush(bundle);
    if (port.odpPort === undefined) return;
    backer.ports.delete(port.odpPort);
    try {
      await backer.dpif.portDel(port.odpPort);
    } catch (error) {
      log.rl.warn(`${this.name}: ${messageOf(error)}`);
    }
    if (this.type === 'tap' && backer.dpif.engine === 'kernel') new Rtnl().deleteLink(this.name);
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

  #makeTap(): void {
    if (new Rtnl().link(this.name)) return;
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
