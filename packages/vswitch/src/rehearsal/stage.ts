/** A bridge that nobody sees, and what is asked of switches all day. */
import type { Dpif, Upcall } from '@heddle/datapath';
import {
  decodeMessage,
  encodeMessage,
  encodeMultipart,
  type MessageOf,
  parseFlowMod,
} from '@heddle/openflow';
import { extractFlow } from '@heddle/packet';
import { ethernet, ipv4, pad, tcp, udp } from '@heddle/packet/build';
import { realClock } from '@heddle/runtime';
import { RuleStats } from '../connmgr/rule-stats.ts';
import { MacLearning } from '../mac-learning.ts';
import { FlowChanges } from '../ofproto/flow-changes.ts';
import { applyFlowMod } from '../ofproto/flow-mod.ts';
import { RecircIds } from '../ofproto/recirc.ts';
import type { Rule } from '../ofproto/rule.ts';
import { Bundle, OfPort, Ofproto, type XlateConfig } from '../ofproto.ts';
import { Udpif } from '../ofproto-dpif-upcall.ts';
import { parseOpenFlowFlow } from '../trace/flow-parse.ts';
import { traceAll } from '../trace/trace.ts';
import { NullDpif } from './null-dpif.ts';

const PORTS = 4;
const OFP13 = 4;
/** Learning, a router and a firewall. */
const FLOWS = [
  'table=0,priority=9,dl_src=02:00:00:00:00:99 actions=drop',
  'table=0,priority=8,tcp,nw_src=10.9.0.0/16,tp_dst=22 actions=drop',
  'table=0,priority=7,in_port=2 actions=resubmit(,1)',
  'table=0,priority=6,ip,nw_dst=10.0.1.0/24 actions=dec_ttl,mod_dl_dst:02:00:00:00:00:03,output:3',
  'table=0,priority=5,udp actions=load:1->NXM_NX_REG0[],goto_table:1',
  'table=0,priority=0 actions=NORMAL',
  'table=1,priority=2,reg0=1,udp actions=output:4',
  'table=1,priority=1,ip,nw_dst=10.0.2.0/24 actions=output:1',
  'table=1,priority=0 actions=NORMAL',
];
const NEW_FLOWS = [
  'table=2,priority=100,ip,nw_dst=10.1.2.3 actions=output:1',
  'table=2,priority=101,tcp,nw_src=10.1.2.3,tp_dst=80 actions=output:2',
];
/** 10.1.2.3 in them, of which the last bytes differ from flow to flow. */
const ADDRESS = Uint8Array.of(10, 1, 2, 3);
const RULES_PER_REPLY = 10;
const MAX_MEGAFLOWS = 500;

export class Stage {
  readonly #bridge = new Ofproto('rehearsal', new MacLearning<Bundle>(realClock));
  readonly #config: XlateConfig;
  readonly #udpif: Udpif;
  readonly #dpif: Dpif;
  readonly #newFlows = NEW_FLOWS.map(encoded);
  readonly #rules: Rule[] = [];

  constructor(of: Pick<Dpif, 'actions' | 'meters' | 'nowMs'>) {
    this.#dpif = new NullDpif(of);
    for (let n = 1; n <= PORTS; n++) {
      const bundle = new Bundle(`p${n}`, this.#bridge);
      const port = new OfPort(bundle.name, n, bundle);
      port.odpPort = n;
      bundle.ports.push(port);
      this.#bridge.bundles.set(bundle.name, bundle);
      this.#bridge.ports.set(n, port);
    }
    this.#config = {
      vlanLimit: 1,
      portOf: (odpPort) => this.#bridge.ports.get(odpPort),
      recirc: new RecircIds(() => of.nowMs()),
      leavesFragments: true,
    };
    this.#udpif = new Udpif(this.#dpif, this.#config, realClock);
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
    this.#udpif.handle([miss(2 * round), miss(2 * round + 1)]);
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

  #apply(bytes: Uint8Array): void {
    const mod = decodeMessage(bytes) as MessageOf<'flow_mod'>;
    const changes = new FlowChanges(this.#bridge);
    applyFlowMod(changes, mod, this.#dpif.nowMs(), OFP13);
    for (const change of changes.list) {
      if (change.type === 'add' && this.#rules.length < RULES_PER_REPLY) {
        this.#rules.push(change.rule);
      }
    }
    changes.release();
  }

  #dump(): void {
    const now = this.#dpif.nowMs();
    const flows = this.#rules.map((rule) => new RuleStats(rule, now));
    encodeMultipart({ type: 'flow_reply', version: OFP13, xid: 1, nxm: false, flows });
  }
}

function encoded(line: string): Buffer {
  const { flowMod } = parseFlowMod(line, 'add');
  return Buffer.from(encodeMessage({ ...flowMod, version: OFP13, xid: 1, type: 'flow_mod' }));
}

/** Of another source each time. */
function miss(n: number): Upcall {
  const macs = { src: 0x0400_0000_0000 + n, dst: 0x0200_0000_0000 + (n % 5) };
  const ends = { src: '10.9.8.7', dst: `10.0.${n % 4}.1` };
  const data = new Uint8Array(18);
  const l4 =
    n % 3 === 0 ? tcp({ src: 1000 + n, dst: 22 + (n % 2) }, data) : udp({ src: n, dst: 9 }, data);
  const frame = pad(ethernet(macs, ipv4(ends, l4)));
  return {
    type: 'miss',
    flow: extractFlow(frame, { inPort: 1 + (n % PORTS) }),
    packet: { data: frame },
  };
}
