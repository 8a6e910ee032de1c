/** What the controller does with one switch: learns where addresses are, and sets up flows. */
import {
  emitOfp10Match,
  type FlowMod,
  inPortMatch,
  type Match,
  normalizeMatch,
  OFP_NO_BUFFER,
  OFPG_ANY,
  OFPP_CONTROLLER,
  OFPP_FLOOD,
  OFPP_MAX,
  OFPP_NONE,
  OFPTT_ALL,
  type OfpAct,
  type OfpBody,
  type OfpMessage,
  type OfpVersion,
  type PacketIn,
  parseOfp10Match,
} from '@heddle/openflow';
import { extractFlow, type Flow, VLAN_CFI } from '@heddle/packet';

export interface SwitchOptions {
  readonly mode: 'learn' | 'hub';
  readonly setsUpFlows: boolean;
  /** 0: flows stay. */
  readonly maxIdleSec: number;
  /** OFPFW10_*. */
  readonly wildcards: number;
  readonly queue: number | undefined;
  /** By the name of the port that a packet comes from. */
  readonly portQueues: ReadonlyMap<string, number>;
  readonly flows: readonly FlowMod[];
  readonly isMute: boolean;
}

const MISS_SEND_LEN = 128;
/** As many as Open vSwitch's own tables of addresses hold. */
const MAX_ADDRESSES = 2048;
const FLOW_PRIORITY = 1;
const OFPR_INVALID_TTL = 2;
const NO_FLAGS = {
  ...{ sendFlowRem: false, checkOverlap: false, resetCounts: false },
  ...{ noPktCounts: false, noByteCounts: false, emerg: false },
};

export class LearningSwitch {
  readonly #options: SwitchOptions;
  readonly #version: OfpVersion;
  readonly #send: (msg: OfpMessage) => void;
  readonly #ports = new Map<number, number>();
  readonly #queues = new Map<number, number>();
  #hasTableId = false;
  #xid = 1;

  constructor(version: OfpVersion, options: SwitchOptions, send: (msg: OfpMessage) => void) {
    this.#version = version;
    this.#options = options;
    this.#send = send;
    this.#say({ type: 'features_request' });
    this.#say({ type: 'set_config', flags: 0, missSendLen: MISS_SEND_LEN });
    // Since OpenFlow 1.3 packets that no flow matches are dropped unless a flow says otherwise.
    if (version >= 4) this.#addFlow(inPortMatch(0), 0, 0, toController(), true);
    if (version === 1 && options.flows.some((flow) => flow.tableId !== OFPTT_ALL)) {
      this.#hasTableId = true;
      this.#say({ type: 'flow_mod_table_id', enabled: true });
    }
    for (const flow of options.flows) this.#pushFlow(flow);
  }

  receive(msg: OfpMessage): void {
    if (this.#options.isMute) return;
    if (msg.type === 'echo_request') this.#send({ ...msg, type: 'echo_reply' });
    else if (msg.type === 'features_reply') this.#learnQueues(msg);
    else if (msg.type === 'packet_in' && msg.reason !== OFPR_INVALID_TTL) this.#forward(msg);
  }

  #say(body: OfpBody): void {
    this.#send({ ...body, version: this.#version, xid: ++this.#xid });
  }

  #learnQueues({ ports }: Extract<OfpBody, { type: 'features_reply' }>): void {
    this.#queues.clear();
    for (const { name, portNo } of ports) {
      const queue = this.#options.portQueues.get(name);
      if (queue !== undefined) this.#queues.set(portNo, queue);
    }
  }

  #forward(msg: PacketIn): void {
    const { inPort } = msg.metadata.key;
    const flow = extractFlow(msg.packet, { inPort });
    const port = this.#destination(flow, inPort);
    const actions = this.#actions(port, inPort);
    const { setsUpFlows, maxIdleSec, mode } = this.#options;
    const isBuffered = msg.bufferId !== OFP_NO_BUFFER;
    if (setsUpFlows && (port !== OFPP_FLOOD || mode === 'hub')) {
      const match = this.#matchOf(flow, inPort);
      this.#addFlow(match, FLOW_PRIORITY, maxIdleSec, actions, false, msg.bufferId);
      if (isBuffered) return;
    }
    if (!isBuffered && port === OFPP_NONE) return;
    const packet = isBuffered ? new Uint8Array() : msg.packet;
    const metadata = inPortMatch(inPort);
    this.#say({ type: 'packet_out', bufferId: msg.bufferId, packet, metadata, actions });
  }

  #destination(flow: Flow, inPort: number): number {
    const { dlSrc, dlDst } = flow;
    if (!isMulticast(dlSrc)) this.#learn(dlSrc, inPort);
    if (isReserved(dlDst)) return OFPP_NONE;
    if (this.#options.mode === 'hub') return OFPP_FLOOD;
    const port = isMulticast(dlDst) ? undefined : this.#ports.get(dlDst);
    if (port === undefined) return OFPP_FLOOD;
    return port === inPort ? OFPP_NONE : port;
  }

  /** What was heard of longest ago makes room. */
  #learn(mac: number, port: number): void {
    this.#ports.delete(mac);
    this.#ports.set(mac, port);
    if (this.#ports.size <= MAX_ADDRESSES) return;
    for (const oldest of this.#ports.keys()) {
      this.#ports.delete(oldest);
      return;
    }
  }

  #actions(port: number, inPort: number): OfpAct[] {
    if (port === OFPP_NONE) return [];
    const queue = this.#queues.get(inPort) ?? this.#options.queue;
    if (queue === undefined || port >= OFPP_MAX) return [{ type: 'output', port, maxLen: 0 }];
    return [{ type: 'enqueue', port, queue }];
  }

  #addFlow(
    match: Match,
    priority: number,
    idleTimeout: number,
    actions: readonly OfpAct[],
    isMiss: boolean,
    bufferId = OFP_NO_BUFFER,
  ): void {
    if (isMiss) match.mask.clear();
    this.#pushFlow({
      ...{ command: 'add', match, priority, idleTimeout, hardTimeout: 0, bufferId, actions },
      ...{ cookie: 0n, cookieMask: 0n, newCookie: 0n, importance: 0, flags: NO_FLAGS },
      tableId: OFPTT_ALL,
      outPort: OFPP_NONE,
      // Upstream leaves it so; it says nothing when flows are added.
      outGroup: isMiss ? OFPG_ANY : 0,
    });
  }

  #pushFlow(flow: FlowMod): void {
    const tableId = this.#version > 1 && flow.tableId === OFPTT_ALL ? 0 : flow.tableId;
    this.#say({ ...flow, type: 'flow_mod', tableId, hasTableId: this.#hasTableId });
  }

  /** The fields of OpenFlow 1.0 that the wildcards leave, whatever the version. */
  #matchOf(flow: Flow, inPort: number): Match {
    const exact = parseOfp10Match(new Uint8Array(40));
    const { key } = exact;
    Object.assign(key, { inPort, dlSrc: flow.dlSrc, dlDst: flow.dlDst, dlType: flow.dlType });
    Object.assign(key, { nwSrc: flow.nwSrc, nwDst: flow.nwDst, nwProto: flow.nwProto });
    Object.assign(key, { nwTos: flow.nwTos & 0xfc, tpSrc: flow.tpSrc, tpDst: flow.tpDst });
    key.vlanTci0 = flow.vlanTci0;
    if ((flow.vlanTci0 & VLAN_CFI) === 0) exact.mask.vlanTci0 = 0xffff;
    const bytes = emitOfp10Match(exact);
    new DataView(bytes.buffer).setUint32(0, this.#options.wildcards);
    const match = parseOfp10Match(bytes);
    normalizeMatch(match);
    return match;
  }
}

function toController(): OfpAct[] {
  return [{ type: 'output', port: OFPP_CONTROLLER, maxLen: MISS_SEND_LEN }];
}

function isMulticast(mac: number): boolean {
  return Math.floor(mac / 2 ** 40) % 2 === 1;
}

/** 01:80:c2:00:00:00 to 0f: no bridge forwards these. */
function isReserved(mac: number): boolean {
  return Math.floor(mac / 16) === 0x0180_c200_000;
}
