/** A bridge that nobody sees, and what is asked of switches all day. */
import type { DpRehearsal } from '@heddle/datapath';
import {
  decodeMessage,
  encodeMessage,
  type MessageOf,
  OFPP_LOCAL,
  parseFlowMod,
} from '@heddle/openflow';
import { FakeClock, realClock } from '@heddle/runtime';
import { MacLearning } from '../mac-learning.ts';
import { FlowChanges } from '../ofproto/flow-changes.ts';
import { applyFlowMod } from '../ofproto/flow-mod.ts';
import { Bundle, OfPort, Ofproto, type XlateConfig } from '../ofproto.ts';
import { Udpif } from '../ofproto-dpif-upcall.ts';
import { TunnelPorts } from '../tunnel/ports.ts';
import { makeXlateConfig } from '../xlate/config.ts';
import { Packets } from './packets.ts';
import { Talks } from './talks.ts';

const PORTS = 4;
/** Of the datapath alone. */
const UNKNOWN_PORT = 99;
/** The datapath's numbers are others than OpenFlow's. */
const FIRST_PORT = 10;
const OFP13 = 4;
const OFPPC_NO_FLOOD = 1 << 4;
/** Learning, a router and a firewall. */
const FLOWS = [
  'table=0,priority=9,dl_src=02:00:00:00:00:99 actions=drop',
  'table=0,priority=8,tcp,nw_src=10.9.0.0/16,tp_dst=22 actions=drop',
  'table=0,priority=7,in_port=2 actions=resubmit(,1)',
  'table=0,priority=6,ip,nw_dst=10.0.1.0/24 actions=dec_ttl,mod_dl_dst:02:00:00:00:00:03,output:3',
  'table=0,priority=5,udp actions=load:1->NXM_NX_REG0[],goto_table:1',
  // A port that is not there.
  'table=0,priority=10,ip,nw_dst=10.200.0.0/16 actions=output:77',
  'table=0,priority=1,ipv6 actions=goto_table:3',
  'table=0,priority=2,arp actions=resubmit(,2)',
  'table=1,priority=2,reg0=1,udp actions=output:4',
  'table=1,priority=1,ip,nw_dst=10.0.2.0/24 actions=output:1',
  'table=1,priority=0 actions=NORMAL',
  ...routes(),
];

/** What comes and goes: megaflows are translated again then, and some do something else. */
const COMING: readonly (readonly string[])[] = [
  ['table=0,priority=0 actions=NORMAL'],
  [
    'table=2,priority=0,arp actions=output:1',
    'table=0,priority=1000,dl_src=02:00:00:00:00:98 actions=drop',
  ],
  ['table=0,priority=5,ip,nw_dst=10.0.3.0/24 actions=output:1'],
];

/** Of a table with as many subtables and longer prefixes. */
function routes(): string[] {
  return Array.from({ length: 40 }, (_, i) => {
    const address = `10.${i}.${(7 * i) & 0xff}.${(31 * i) & 0xff}`;
    const match = i % 2 === 0 ? `ip,nw_dst=${address}` : `tcp,nw_src=${address},tp_dst=${20 + i}`;
    return `table=0,priority=${100 + (i % 7)},${match} actions=output:2`;
  });
}

const MAX_MEGAFLOWS = 500;
const MAX_MISSES = 16;
/** What comes seldom, too, must have come when code is made. */
const FIRST_ROUNDS = 8;
const POLL_ROUNDS = 32;
const CHANGE_ROUNDS = 16;

/** Of more than one kind, as a switch has others. */
const nothings = [
  [() => undefined, () => undefined],
  [() => undefined, () => undefined],
] as const;
let stages = 0;

export class Stage {
  readonly #bridge = new Ofproto('rehearsal', new MacLearning<Bundle>(realClock));
  readonly #config: XlateConfig;
  readonly #udpif: Udpif;
  readonly #datapath: DpRehearsal;
  readonly #packets: Packets;
  readonly #talks: Talks;
  #changes = 0;

  constructor(datapath: DpRehearsal) {
    this.#datapath = datapath;
    const ports = new Map<number, OfPort>();
    for (const n of [...Array.from({ length: PORTS }, (_, i) => 1 + i), OFPP_LOCAL]) {
      const bundle = new Bundle(`p${n}`, this.#bridge);
      const port = new OfPort(bundle.name, n, bundle);
      port.odpPort = FIRST_PORT + n;
      bundle.ports.push(port);
      this.#bridge.bundles.set(bundle.name, bundle);
      this.#bridge.ports.set(n, port);
      ports.set(port.odpPort, port);
    }
    const { dpif } = datapath;
    this.#packets = new Packets([...ports.keys(), UNKNOWN_PORT]);
    const [native, ctTimeoutOf] = nothings[++stages % 2]!;
    this.#config = makeXlateConfig({
      dpif,
      ports,
      tunnels: new TunnelPorts(),
      native,
      hashAlgorithm: () => undefined,
      ctTimeoutOf,
    });
    // Its time stands still, so that nothing is done but what is asked for here.
    this.#udpif = new Udpif(dpif, this.#config, new FakeClock());
    this.#udpif.start();
    this.#apply(FLOWS, 'add');
    this.#talks = new Talks({
      bridge: this.#bridge,
      config: this.#config,
      dpif,
      clock: realClock,
      flowsChanged: (changes) => this.#udpif.flowsChanged(changes),
    });
  }

  /** Less than a millisecond when its code has been compiled. */
  play(round: number): void {
    if (this.#udpif.ukeys.size > MAX_MEGAFLOWS || round === FIRST_ROUNDS) this.#udpif.purge();
    const count = 1 + (round % MAX_MISSES);
    this.#datapath.arrive(this.#packets.next(count));
    if (round % POLL_ROUNDS === 0 || round < FIRST_ROUNDS) {
      this.#udpif.poll();
      // There are flows that no packet has come for since the last look, too.
      this.#udpif.poll();
    }
    if (round % CHANGE_ROUNDS === 0 || round < FIRST_ROUNDS) this.#change();
  }

  #change(): void {
    const n = this.#changes++;
    // V8 takes what is never set again for constant, and throws code away when it is.
    for (const port of this.#bridge.ports.values()) port.config ^= OFPPC_NO_FLOOD;
    const isComing = Math.floor(n / COMING.length) % 2 === 0;
    this.#apply(COMING[n % COMING.length]!, isComing ? 'add' : 'delete_strict');
    this.#udpif.revalidate();
  }

  /** What is asked over sockets. */
  talk(): Promise<void> {
    return this.#talks.play();
  }

  close(): void {
    this.#talks.close();
    this.#udpif.stop();
    this.#datapath[Symbol.dispose]();
  }

  #apply(lines: readonly string[], command: 'add' | 'delete_strict'): void {
    const changes = new FlowChanges(this.#bridge);
    const nowMs = this.#datapath.dpif.nowMs();
    for (const line of lines) applyFlowMod(changes, decoded(line, command), nowMs, OFP13);
    this.#udpif.flowsChanged(changes);
    changes.release();
  }
}

function decoded(line: string, command: 'add' | 'delete_strict'): MessageOf<'flow_mod'> {
  const isAdded = command === 'add';
  const { flowMod } = parseFlowMod(isAdded ? line : line.replace(/ actions=.*/, ''), command);
  const bytes = encodeMessage({ ...flowMod, version: OFP13, xid: 1, type: 'flow_mod' });
  return decodeMessage(bytes) as MessageOf<'flow_mod'>;
}
