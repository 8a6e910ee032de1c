/** Controllers that connect to the switch. */
import type { Server, Socket } from 'node:net';
import { OFP_PORT } from '@heddle/openflow';
import { InactivityProbe, listenRemote, messageOf, RCONN, type TlsFiles } from '@heddle/runtime';
import { attach } from './attach.ts';
import { configureConn, stopLimits } from './conn-settings.ts';
import type { Connmgr } from './connmgr.ts';
import type { ControllerConfig } from './controller-config.ts';
import type { OfConn } from './ofconn.ts';

interface Peer {
  readonly probe: InactivityProbe;
  conn: OfConn | undefined;
}

export class PassiveController {
  readonly #mgr: Connmgr;
  readonly #server: Promise<Server>;
  readonly #peers = new Set<Peer>();
  #config: ControllerConfig;
  versions: number;

  /** `failed`: it cannot listen there. */
  constructor(
    mgr: Connmgr,
    config: ControllerConfig,
    versions: number,
    tls: TlsFiles | undefined,
    failed: () => void,
  ) {
    this.#mgr = mgr;
    this.#config = config;
    this.versions = versions;
    const accept = (socket: Socket): void => this.#accept(socket);
    const dscp = (): number => this.#config.dscp;
    this.#server = listenRemote(config.target, accept, tls, OFP_PORT, dscp);
    this.#server.catch((error: unknown) => {
      const { target } = config;
      RCONN.log.rl.err(`failed to listen on ${target}: ${messageOf(error)}`, target);
      failed();
    });
  }

  async listening(): Promise<void> {
    await this.#server;
  }

  configure(config: ControllerConfig, versions: number): void {
    const before = this.#config;
    this.#config = config;
    this.versions = versions;
    for (const { conn, probe } of this.#peers) {
      if (conn) configureConn(conn, this.#mgr.env.clock, config, before);
      probe.probeMs = config.probeMs;
    }
  }

  close(): void {
    void this.#server.then((server) => server.close()).catch(() => {});
    for (const { probe } of this.#peers) probe.stop();
  }

  #accept(socket: Socket): void {
    const { target, kind, probeMs } = this.#config;
    const { clock, ofproto } = this.#mgr.env;
    const name = `${ofproto.name}<->${peerOf(socket, target)}`;
    const peer: Peer = {
      conn: undefined,
      probe: new InactivityProbe(name, RCONN, clock, probeMs, {
        probe: () => peer.conn?.send(0, { type: 'echo_request', data: new Uint8Array(0) }),
        dead: () => vconn.close(),
      }),
    };
    this.#peers.add(peer);
    // Who says nothing is not there, either.
    peer.probe.start();
    const vconn = attach(this.#mgr, socket, {
      name,
      kind,
      versions: this.versions,
      target,
      onOpen: (conn) => {
        peer.conn = conn;
        configureConn(conn, clock, this.#config);
        RCONN.log.dbg(`${name}: connected`);
      },
      onHeard: () => peer.probe.heard(),
      onClose: (why) => {
        peer.probe.stop();
        this.#peers.delete(peer);
        if (peer.conn) stopLimits(peer.conn);
        RCONN.log.dbg(`${name}: connection ${why ? `dropped (${why})` : 'closed by peer'}`);
      },
    });
  }
}

function peerOf(socket: Socket, target: string): string {
  const { remoteAddress: host, remotePort: port } = socket;
  if (host === undefined) return target.slice(1);
  const kind = target.startsWith('pssl') ? 'ssl' : 'tcp';
  return `${kind}:${host.includes(':') ? `[${host}]` : host}:${port}`;
}
