/**
 * Who may connect to a bridge and whom it connects to: the management socket, controllers of the
 * database, passive ones (ovs-vswitchd.conf.db(5), "Controller").
 */
import type { Server, Socket } from 'node:net';
import { join } from 'node:path';
import { Vconn } from '@heddle/openflow';
import { dirs, listenRemote, messageOf, RCONN, type TlsFiles, vlog } from '@heddle/runtime';
import { ActiveController } from './active-controller.ts';
import { attach } from './attach.ts';
import type { Connmgr } from './connmgr.ts';
import type { ControllerConfig, ControllerStatus } from './controller-config.ts';
import type { OfConnKind } from './ofconn.ts';
import { PassiveController } from './passive-controller.ts';

const { log } = RCONN;
const connmgrLog = vlog.module('connmgr');

/** OpenFlow 1.0 to 1.5. */
export const ALL_VERSIONS = 0x7e;

/** Of whoever has connected to a management socket, of any bridge. */
let nextPeer = 0;

const SNOOPED = { primary: 2, other: 1, secondary: 0 } as const;

export class Connections {
  readonly #mgr: Connmgr;
  readonly #name: string;
  readonly #servers = new Map<string, Promise<Server>>();
  readonly #controllers = new Map<string, ActiveController>();
  readonly #listeners = new Map<string, PassiveController>();
  /** Whom each listens to. */
  readonly #snoops = new Map<Vconn, ActiveController>();
  #versions = ALL_VERSIONS;
  #tls: () => TlsFiles | undefined = () => undefined;
  readonly #admitted: () => void;

  /** `admitted`: a controller begins to control, and what it says is treated next. */
  constructor(mgr: Connmgr, admitted: () => void) {
    this.#mgr = mgr;
    this.#admitted = admitted;
    this.#name = mgr.env.ofproto.name;
    this.#listenManagement(`punix:${join(dirs.rundir, `${this.#name}.mgmt`)}`);
    this.#listenSnoop(`punix:${join(dirs.rundir, `${this.#name}.snoop`)}`);
  }

  #tell(event: 'added' | 'removed', kind: OfConnKind, target: string): void {
    connmgrLog.info(`${this.#name}: ${event} ${kind} controller "${target}"`);
  }

  configure(
    controllers: readonly ControllerConfig[],
    versions: number,
    tls: () => TlsFiles | undefined,
  ): void {
    this.#versions = versions;
    this.#tls = tls;
    const wanted = new Map(controllers.map((c) => [c.target, c]));
    for (const config of controllers) {
      if (/^p(unix|tcp|ssl):/.test(config.target)) this.#listen(config);
      else if (/^(unix|tcp|ssl):/.test(config.target)) this.#connect(config);
      else connmgrLog.rl.warn(`${this.#name}: unsupported controller "${config.target}"`);
    }
    for (const [target, controller] of this.#controllers) {
      if (wanted.has(target)) continue;
      this.#tell('removed', controller.kind, target);
      controller.close();
      this.#controllers.delete(target);
    }
    for (const [target, listener] of this.#listeners) {
      if (wanted.has(target)) continue;
      this.#tell('removed', 'service', target);
      listener.close();
      this.#listeners.delete(target);
    }
  }

  /** When who has been told to listen does, or cannot. */
  async listening(): Promise<void> {
    const passive = [...this.#listeners.values()].map((listener) => listener.listening());
    await Promise.allSettled([...this.#servers.values(), ...passive]);
  }

  status(target: string): ControllerStatus | undefined {
    return this.#controllers.get(target)?.status();
  }

  /**
   * For how many ms none of the controllers that decide has controlled the switch, once that is
   * long enough for a standalone bridge to take over: three times their probe interval.
   */
  get failedMs(): number | undefined {
    const primaries = [...this.#controllers.values()].filter((c) => c.kind === 'primary');
    if (primaries.length === 0 || primaries.some((c) => c.failedMs <= c.patienceMs))
      return undefined;
    return Math.min(...primaries.map((c) => c.failedMs));
  }

  /** Whether one of them is there that could control. */
  get hasConnected(): boolean {
    return [...this.#controllers.values()].some((c) => c.kind === 'primary' && c.isConnected);
  }

  reconnect(): void {
    for (const controller of this.#controllers.values()) controller.reconnect();
  }

  /** As `reconnect`; those who have connected to the switch are hung up on, too. */
  drop(): void {
    this.reconnect();
    for (const conn of [...this.#mgr.conns]) {
      conn.channel.close();
      this.#mgr.remove(conn);
    }
  }

  close(): void {
    for (const server of this.#servers.values()) void server.then((s) => s.close()).catch(() => {});
    this.#servers.clear();
    for (const listener of this.#listeners.values()) listener.close();
    this.#listeners.clear();
    for (const controller of this.#controllers.values()) controller.close();
    this.#controllers.clear();
    for (const conn of [...this.#mgr.conns]) conn.channel.close();
    for (const snoop of this.#snoops.keys()) snoop.close();
  }

  #connect(config: ControllerConfig): void {
    const known = this.#controllers.get(config.target);
    if (known) {
      known.configure(config, this.#versions);
      return;
    }
    const controller: ActiveController = new ActiveController(this.#mgr, config, this.#versions, {
      tls: () => this.#tls(),
      tap: (raw) => this.#tap(controller, raw),
      admitted: this.#admitted,
    });
    this.#controllers.set(config.target, controller);
    this.#tell('added', config.kind, config.target);
  }

  #listen(config: ControllerConfig): void {
    const { target } = config;
    const known = this.#listeners.get(target);
    if (known) {
      known.configure(config, this.#versions);
      return;
    }
    const listener: PassiveController = new PassiveController(
      this.#mgr,
      config,
      this.#versions,
      this.#tls(),
      () => {
        if (this.#listeners.get(target) === listener) this.#listeners.delete(target);
      },
    );
    this.#listeners.set(target, listener);
    listener.listening().then(
      () => this.#tell('added', 'service', target),
      () => {},
    );
  }

  #listenManagement(target: string): void {
    const accept = (socket: Socket): void => {
      const name = `${this.#name}<->unix#${nextPeer++}`;
      attach(this.#mgr, socket, { name, kind: 'service', versions: this.#versions });
    };
    const server = listenRemote(target, accept);
    this.#servers.set(target, server);
    server
      .then(() => this.#tell('added', 'service', target))
      .catch((error: unknown) => {
        log.rl.err(`failed to listen on ${target}: ${messageOf(error)}`, target);
        this.#servers.delete(target);
      });
  }

  /** Whoever connects there hears what is said with one of the controllers (ovs-ofctl(8), `snoop`). */
  #listenSnoop(target: string): void {
    const server = listenRemote(target, (socket) => {
      const controller = this.#worthSnooping();
      if (controller === undefined) {
        socket.destroy();
        return;
      }
      const snoop: Vconn = new Vconn(
        socket,
        { name: 'snoop', versions: this.#versions },
        {
          open: () => this.#snoops.set(snoop, controller),
          message: () => {},
          bad: () => {},
          close: () => this.#snoops.delete(snoop),
        },
      );
    });
    this.#servers.set(target, server);
    server.catch((error: unknown) => log.rl.err(`${target}: ${messageOf(error)}`, target));
  }

  /** The primary, else one that is no secondary: as it is when a snoop connects. */
  #worthSnooping(): ActiveController | undefined {
    let best: ActiveController | undefined;
    for (const controller of this.#controllers.values()) {
      if (best === undefined || SNOOPED[controller.status().role] > SNOOPED[best.status().role]) {
        best = controller;
      }
    }
    return best;
  }

  #tap(controller: ActiveController, raw: Uint8Array): void {
    for (const [snoop, heard] of this.#snoops) {
      if (heard === controller && snoop.isOpen) snoop.sendRaw(raw);
    }
  }
}
