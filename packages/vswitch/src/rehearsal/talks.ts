/**
 * What programs ask of a switch, over sockets like theirs: flows by OpenFlow, one by one and in bundles,
 * dumps of them, and traces.
 */
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import type { Dpif } from '@heddle/datapath';
import {
  encodeMessage,
  Match,
  OFPG_ALL,
  OFPG_ANY,
  OFPM13_ALL,
  OFPP_NONE,
  OFPTT_ALL,
  type OfpBody,
  parseFlowMod,
} from '@heddle/openflow';
import { Framer } from '@heddle/openflow/vconn/framer';
import {
  type Clock,
  coverage,
  type UnixctlCommands,
  type UnixctlHandler,
  UnixctlServer,
} from '@heddle/runtime';
import { registerTrace } from '../appctl/trace.ts';
import { attach } from '../connmgr/attach.ts';
import { Connmgr } from '../connmgr/connmgr.ts';
import type { OfprotoEnv } from '../connmgr/env.ts';
import type { FlowChanges } from '../ofproto/flow-changes.ts';
import type { Ofproto, XlateConfig } from '../ofproto.ts';

const OFP13 = 4;
const OFPT_BARRIER_REPLY = 21;
const TABLE = 5;
const SINGLE = 8;
const BUNDLED = 64;
/** Of a bundle for which buffers have to grow, and a dump that a socket does not take at once. */
const LONG_BUNDLED = 2000;
const TRACES = 32;
const RARELY = 16;
const MORE_RARELY = 32;
const VERSIONS = 1 << OFP13;

const FLOWS = [
  'priority=100,ip,nw_dst=10.1.2.3 actions=output:1',
  'priority=101,tcp,nw_src=10.1.2.3,tp_dst=80 actions=output:2',
  'priority=102,ip,nw_dst=10.1.2.3 actions=output:1',
  'priority=103,tcp,nw_src=10.1.2.3,tp_dst=80 actions=output:2',
].map((line) => parseFlowMod(`table=${TABLE},${line}`, 'add').flowMod);
/** At the end of a bundle, other than those before. */
const LAST_FLOWS = ['priority=1 actions=output:2', 'dl_src=02:00:00:00:00:99 actions=drop'].map(
  (line) => parseFlowMod(`table=${TABLE},${line}`, 'add').flowMod,
);
/** Of none, in any table, and of all of these. */
const DELETIONS = ['dl_src=02:00:00:00:00:97', `table=${TABLE}`].map(
  (line) => parseFlowMod(line, 'delete').flowMod,
);
/** 10.1.2.3 in them, of which the last bytes differ from flow to flow. */
const ADDRESS = Uint8Array.of(10, 1, 2, 3);

export interface Asked {
  readonly bridge: Ofproto;
  readonly config: XlateConfig;
  readonly dpif: Dpif;
  readonly clock: Clock;
  readonly flowsChanged: OfprotoEnv['flowsChanged'];
}

export class Talks {
  readonly #openflow: Listener;
  readonly #control: Listener;
  #xid = 1;
  #flows = 0;
  #played = 0;
  #bundled: Buffer | undefined;
  #longBundled: Buffer | undefined;

  constructor(asked: Asked) {
    const received = coverage.unlisted('ofproto_recv_openflow');
    const mgrs = SHAPES.map(
      (shape, n) => new Connmgr(shaped(shape, envOf(asked, n % 2 === 0)), received),
    );
    const options = { name: 'rehearsal', kind: 'service', versions: VERSIONS } as const;
    let connections = 0;
    this.#openflow = new Listener({}, (socket) => {
      const n = connections++ % SHAPES.length;
      attach(mgrs[n]!, socket, shaped(SHAPES[n]!, options));
    });
    const { bridge: ofproto, config: xlateConfig } = asked;
    const bridges = SHAPES.map((shape) => {
      const backer = shaped(shape, { xlateConfig });
      const ifaces = new Map([['p1', { port: ofproto.ports.get(1) }]]);
      return [shape, shaped(shape, { ofproto, ifaces, backer })] as const;
    });
    const servers = SHAPES.map((shape, n) => {
      const server = new UnixctlServer('rehearsal', (name) => coverage.unlisted(name));
      const traced = shaped(shape, { bridges: new Map(bridges), backers: new Map() });
      registerTrace(uncounted(server, n % 2 === 0), traced);
      return server;
    });
    let operators = 0;
    // As a control socket's clients may, and others not.
    const halfOpen = { allowHalfOpen: true };
    this.#control = new Listener(halfOpen, (socket) => {
      servers[operators++ % servers.length]!.serve(socket);
    });
  }

  /** Some of everything, each when the one before it has been answered. */
  async play(): Promise<void> {
    const played = this.#played++;
    if (played % RARELY === 0) {
      await this.#connected(async (client) => {
        for (const request of RARE) await this.#ask(client, encode(request, this.#xid++));
      });
    }
    this.#longBundled ??= this.#bundle(LONG_BUNDLED);
    if (played % MORE_RARELY === 0) await this.#playBundle(this.#longBundled);
    this.#bundled ??= this.#bundle(BUNDLED);
    await this.#connected(async (client) => {
      for (let n = 0; n < SINGLE; n++) await this.#ask(client, this.#flowMod());
    });
    await this.#playBundle(this.#bundled);
    using operator = await this.#control.client();
    for (let n = 0; n < TRACES; n++) await this.#trace(operator, n);
  }

  async #playBundle(bundle: Buffer): Promise<void> {
    await this.#connected((client) => this.#ask(client, bundle));
    await this.#connected(async (client) => {
      const dump = { type: 'flow_request', nxm: false, ...ALL } as const;
      await this.#ask(client, encode(dump, this.#xid++));
      for (const mod of DELETIONS) {
        await this.#ask(client, encode({ ...mod, type: 'flow_mod' }, this.#xid++));
      }
    });
  }

  close(): void {
    this.#openflow.close();
    this.#control.close();
  }

  async #connected(talk: (client: Client) => Promise<void>): Promise<void> {
    using client = await this.#openflow.client();
    client.socket.write(encode({ type: 'hello', versions: VERSIONS }, this.#xid++));
    await talk(client);
  }

  /** The same each time: to encode it would take longer than to answer it. */
  #bundle(count: number): Buffer {
    const control = { type: 'bundle_control', bundleId: 1, flags: 3 } as const;
    const bundle = [encode({ ...control, control: 'open_request' }, this.#xid++)];
    for (let n = 0; n < count; n++) {
      const last = LAST_FLOWS[n - count + LAST_FLOWS.length];
      const flow = last
        ? { ...last, format: 'OXM' as const, type: 'flow_mod' as const }
        : this.#nextFlow();
      const message = { ...flow, version: OFP13, xid: this.#xid } as const;
      const add = { type: 'bundle_add_message', bundleId: 1, flags: 3, message } as const;
      bundle.push(encode(add, this.#xid++));
    }
    bundle.push(encode({ ...control, control: 'commit_request' }, this.#xid++));
    return Buffer.concat(bundle.map((bytes, n) => this.#readdressed(bytes, n)));
  }

  #nextFlow() {
    return { ...FLOWS[this.#flows++ % FLOWS.length]!, format: 'OXM', type: 'flow_mod' } as const;
  }

  #flowMod(): Uint8Array {
    return this.#readdressed(encode(this.#nextFlow(), this.#xid++), this.#flows);
  }

  #readdressed(bytes: Uint8Array, n: number): Uint8Array {
    const at = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).indexOf(ADDRESS);
    if (at < 0) return bytes;
    bytes[at + 2] = n >>> 8;
    bytes[at + 3] = n;
    return bytes;
  }

  /** Sends messages, and waits until they have been dealt with. */
  async #ask(client: Client, bytes: Uint8Array): Promise<void> {
    const framer = new Framer();
    const done = client.until((chunk) => {
      framer.add(chunk);
      for (let raw = framer.next(); raw; raw = framer.next()) {
        if (raw[1] === OFPT_BARRIER_REPLY) return true;
      }
      return false;
    });
    client.socket.write(bytes);
    client.socket.write(encode({ type: 'barrier_request' }, this.#xid++));
    await done;
  }

  async #trace(operator: Client, n: number): Promise<void> {
    const done = operator.until((chunk) => chunk.at(-1) === 0x7d);
    const bridge = SHAPES[n % SHAPES.length]!;
    // All of them of each bridge.
    const params = [bridge, TRACED[Math.floor(n / SHAPES.length) % TRACED.length]!(n)];
    const id = n === 0 ? 'first' : n;
    operator.socket.write(JSON.stringify({ id, method: 'ofproto/trace', params }));
    await done;
  }
}

/**
 * Code that is made for objects of one class is thrown away when the switch's own come: V8 makes it for
 * all where there are as many as this.
 */
const SHAPES: readonly string[] = ['br0', 'br1', 'br2', 'br3', 'br4'];

/**
 * Where commands are registered whose work is not counted. There are two handlers, as V8 takes one that
 * is called alone for the only one.
 */
function uncounted(server: UnixctlServer, isOdd: boolean): UnixctlCommands {
  return {
    register: (name, usage, min, max, handler) => {
      const even = (args: readonly string[]) => callUncounted(handler, args);
      const odd = (args: readonly string[]) => callUncounted(handler, args);
      server.register(name, usage, min, max, isOdd ? odd : even);
    },
  };
}

function callUncounted(handler: UnixctlHandler, args: readonly string[]) {
  const takeBack = coverage.disregard();
  try {
    return handler(args);
  } finally {
    takeBack();
  }
}

/** An object of a class of its own, with the contents of `like`. */
function shaped<T extends object>(shape: string, like: T): T {
  return Object.assign({ [shape]: true }, like);
}

const TRACED: readonly ((n: number) => string)[] = [
  (n) => `in_port=LOCAL,ip,nw_dst=10.0.${n % 4}.${n}`,
  (n) => `in_port=${1 + (n % 4)},tcp,nw_src=10.9.${n}.1,nw_dst=10.0.1.1,tp_dst=${n}`,
  (n) => `in_port=LOCAL,ip,nw_dst=10.${n}.0.1,nw_ttl=64`,
  (n) => `in_port=LOCAL,ip,nw_dst=10.200.${n}.1`,
  (n) => `in_port=p1,udp,dl_src=02:00:00:00:00:0${n % 9},nw_dst=10.0.2.1,tp_src=${n}`,
];

const ALL = {
  match: new Match(),
  tableId: OFPTT_ALL,
  outPort: OFPP_NONE,
  outGroup: OFPG_ANY,
  cookie: 0n,
  cookieMask: 0n,
};

/** What clients ask before they ask for what they are there for, and others like it. */
const RARE: readonly OfpBody[] = [
  { type: 'table_features_request', tables: [] },
  { type: 'get_config_request' },
  { type: 'desc_request' },
  { type: 'table_request' },
  { type: 'group_features_request' },
  { type: 'group_desc_request', groupId: OFPG_ALL },
  { type: 'group_request', groupId: OFPG_ALL },
  { type: 'meter_config_request', meterId: OFPM13_ALL },
  { type: 'aggregate_request', ...ALL },
];

function encode(body: OfpBody, xid: number): Uint8Array {
  return encodeMessage({ version: OFP13, xid, ...body });
}

/** A server for clients of this process alone. */
class Listener {
  readonly #server: Server;
  readonly #path = `\0heddle-rehearsal-${process.pid}-${randomUUID()}`;
  readonly #listening: Promise<unknown>;
  readonly #sockets = new Set<Socket>();
  #expected = 0;

  constructor(options: { readonly allowHalfOpen?: boolean }, accept: (socket: Socket) => void) {
    this.#server = createServer(options, (socket) => {
      if (this.#expected === 0) {
        socket.destroy();
        return;
      }
      this.#expected--;
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket));
      socket.unref();
      accept(socket);
    });
    this.#server.unref();
    this.#server.listen(this.#path);
    this.#listening = once(this.#server, 'listening');
    // Who asks for a client hears of it.
    this.#listening.catch(() => {});
    this.#server.on('error', () => {});
  }

  async client(): Promise<Client> {
    await this.#listening;
    this.#expected++;
    const socket = connect(this.#path);
    socket.unref();
    await once(socket, 'connect');
    return clientOf(socket);
  }

  close(): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }
}

interface Client extends Disposable {
  readonly socket: Socket;
  /** Resolves when `heard` is true of what has come, or nothing comes any more. */
  until(heard: (chunk: Uint8Array) => boolean): Promise<void>;
}

function clientOf(socket: Socket): Client {
  let heard: ((chunk: Uint8Array) => boolean) | undefined;
  let answered: (() => void) | undefined;
  const end = (): void => {
    heard = undefined;
    answered?.();
  };
  socket.on('data', (chunk) => {
    if (heard?.(chunk)) end();
  });
  socket.on('error', end);
  socket.on('close', end);
  return {
    socket,
    until(test) {
      heard = test;
      if (socket.destroyed) return Promise.resolve();
      return new Promise((resolve) => {
        answered = resolve;
      });
    },
    [Symbol.dispose]: () => void socket.end(),
  };
}

/** `isOdd`: with functions other than the even ones', as a switch has others. */
function envOf({ bridge, dpif, clock, flowsChanged }: Asked, isOdd: boolean): OfprotoEnv {
  // More at a time would have everything translated again, later, which counts.
  const isFew = ({ list }: FlowChanges) => list.length <= BUNDLED;
  return {
    ofproto: bridge,
    datapathId: 0n,
    description: { mfr: '', hw: '', sw: '', serial: '', dp: '' },
    clock,
    flowModLog: () => undefined,
    meters: dpif.meters,
    nowMs: isOdd ? () => dpif.nowMs() : () => dpif.nowMs(),
    phyPort: notAsked,
    portStats: notAsked,
    queues: () => [],
    vlanLimit: 1,
    queueStats: () => undefined,
    portSinceMs: () => 0,
    syncStats: () => undefined,
    flowsChanged: isOdd
      ? (changes) => (isFew(changes) ? flowsChanged(changes) : undefined)
      : (changes) => (isFew(changes) ? flowsChanged(changes) : undefined),
    tablesChanged: () => undefined,
    portConfigChanged: notAsked,
    hasDevice: notAsked,
    setAdminState: notAsked,
    packetOut: notAsked,
    checkPacketOut: notAsked,
    resume: notAsked,
    ipfixBridge: undefined,
    ipfixFlow: [],
    flushConntrackZone: notAsked,
    flushConntrack: notAsked,
  };
}

function notAsked(): never {
  throw new Error('a rehearsal does not ask for it');
}
