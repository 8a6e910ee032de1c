/** A bridge that nobody sees, and what is asked of switches all day. */
import type { DpRehearsal } from '@heddle/datapath';
import {
  decodeMessage,
  encodeMessage,
  encodeMultipart,
  type MessageOf,
  parseFlowMod,
} from '@heddle/openflow';
import { FakeClock, realClock } from '@heddle/runtime';
import { RuleStats } from '../connmgr/rule-stats.ts';
import { MacLearning } from '../mac-learning.ts';
import { FlowChanges } from '../ofproto/flow-changes.ts';
import { applyFlowMod } from '../ofproto/flow-mod.ts';
import type { Rule } from '../ofproto/rule.ts';
import { Bundle, OfPort, Ofproto, type XlateConfig } from '../ofproto.ts';
import { Udpif } from '../ofproto-dpif-upcall.ts';
import { parseOpenFlowFlow } from '../trace/flow-parse.ts';
import { traceAll } from '../trace/trace.ts';
import { TunnelPorts } from '../tunnel/ports.ts';
import { makeXlateConfig } from '../xlate-config.ts';
import { Packets } from './packets.ts';

const PORTS = 4;
const OFP13 = 4;
/** Learning, a router and a firewall. */
const FLOWS = [
  'table=0,priority=9,dl_src=02:00:00:00:00:99 actions=drop',
  'table=0,priority=8,tcp,nw_src=10.9.0.0/16,tp_dst=22 actions=drop',
  'table=0,priority=7,in_port=2 actions=resubmit(,1)',
  'table=0,priority=6,ip,nw_dst=10.0.1.0/24 actions=dec_ttl,mod_dl_dst:02:00:00:00:00:03,output:3',
  'table=0,priority=5,udp actions=load:1->NXM_NX_REG0[],goto_table:1',
  'table=0,priority=1,ipv6 actions=goto_table:3',
  'table=0,priority=0 actions=NORMAL',
  'table=1,priority=2,reg0=1,udp actions=output:4',
  'table=1,priority=1,ip,nw_dst=10.0.2.0/24 actions=output:1',
  'table=1,priority=0 actions=NORMAL',
  ...routes(),
];

/** Of a table with as many subtables and longer prefixes. */
function routes(): string[] {
  return Array.from({ length: 40 }, (_, i) => {
    const address = `10.${i}.${(7 * i) & 0xff}.${(31 * i) & 0xff}`;
    const match = i % 2 === 0 ? `ip,nw_dst=${address}` : `tcp,nw_src=${address},tp_dst=${20 + i}`;
    return `table=0,priority=${100 + (i % 7)},${match} actions=output:2`;
  });
}

const NEW_FLOWS = [
  'table=2,priority=100,ip,nw_dst=10.1.2.3 actions=output:1',
  'table=2,priority=101,tcp,nw_src=10.1.2.3,tp_dst=80 actions=output:2',
];
/** 10.1.2.3 in them, of which the last bytes differ from flow to flow. */
const ADDRESS = Uint8Array.of(10, 1, 2, 3);
const RULES_PER_REPLY = 10;
const MAX_MEGAFLOWS = 500;
const MAX_MISSES = 16;

export class Stage {
  readonly #bridge = new Ofproto('rehearsal', new MacLearning<Bundle>(realClock));
  readonly #config: XlateConfig;
  readonly #udpif: Udpif;
  readonly #datapath: DpRehearsal;
  readonly #newFlows = NEW_FLOWS.map(encoded);
  readonly #rules: Rule[] = [];
  readonly #packets = new Packets(PORTS);

  constructor(datapath: DpRehearsal) {
    this.#datapath = datapath;
    const ports = new Map<number, OfPort>();
    for (let n = 1; n <= PORTS; n++) {
      const bundle = new Bundle(`p${n}`, this.#bridge);
      const port = new OfPort(bundle.name, n, bundle);
      port.odpPort = n;
      bundle.ports.push(port);
      this.#bridge.bundles.set(bundle.name, bundle);
      this.#bridge.ports.set(n, port);
      ports.set(n, port);
    }
    const { dpif } = datapath;
    const [native, ctTimeoutOf] = [() => undefined, () => undefined];
    this.#config = makeXlateConfig({
      dpif,
      ports,
      tunnels: new TunnelPorts(),
      native,
      ctTimeoutOf,
    });
    // Its time stands still, so that nothing is done but what is asked for here.
    this.#udpif = new Udpif(dpif, this.#config, new FakeClock());
    this.#udpif.start();
    for (const line of FLOWS) this.#apply(encoded(line));
  }

  /** Less than a millisecond when its code has been compiled. */
  play(round: number): void {
    this.#misses(round);
    if (round % 2 === 0) this.#trace(round);
    else this.#addFlow(round);
    if (round % 8 === 0) this.#dump();
  }

  #misses(round: number): void {
    if (this.#udpif.ukeys.size > MAX_MEGAFLOWS) this.#udpif.purge();
    const count = 1 + (round % MAX_MISSES);
    this.#datapath.arrive(this.#packets.next(count));
    if (round % 32 === 0) this.#udpif.poll();
  }

  #trace(round: number): void {
    const text = `in_port=${1 + (round % PORTS)},ip,nw_dst=10.0.${round % 4}.${round & 0xff}`;
    const { flow, ofport } = parseOpenFlowFlow(text, () => undefined, this.#bridge.tlv);
    flow.inPort = ofport;
    const entry = { bridge: this.#bridge, ofport };
    JSON.stringify(traceAll(this.#config, flow, ofport, { withPacket: false, entry }).text);
  }

  #addFlow(round: number): void {
    const bytes = this.#newFlows[(round >> 1) % this.#newFlows.length]!;
    const at = bytes.indexOf(ADDRESS);
    bytes[at + 2] = round >>> 8;
    bytes[at + 3] = round;
    this.#apply(bytes);
    bytes.set(ADDRESS, at);
  }

  close(): void {
    this.#udpif.stop();
    this.#datapath[Symbol.dispose]();
  }

  #apply(bytes: Uint8Array): void {
    const mod = decodeMessage(bytes) as MessageOf<'flow_mod'>;
    const changes = new FlowChanges(this.#bridge);
    applyFlowMod(changes, mod, this.#datapath.dpif.nowMs(), OFP13);
    for (const change of changes.list) {
      if (change.type === 'add' && this.#rules.length < RULES_PER_REPLY) {
        this.#rules.push(change.rule);
      }
    }
    changes.release();
  }

  #dump(): void {
    const now = this.#datapath.dpif.nowMs();
    const flows = this.#rules.map((rule) => new RuleStats(rule, now));
    encodeMultipart({ type: 'flow_reply', version: OFP13, xid: 1, nxm: false, flows });
  }
}

function encoded(line: string): Buffer {
  const { flowMod } = parseFlowMod(line, 'add');
  return Buffer.from(encodeMessage({ ...flowMod, version: OFP13, xid: 1, type: 'flow_mod' }));
}
