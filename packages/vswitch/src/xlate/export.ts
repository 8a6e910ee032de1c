/**
 * Samples for sFlow's and IPFIX's collectors, and what NetFlow is told of a packet
 * (ovs-vswitchd.conf.db(5), tables sFlow, IPFIX and NetFlow; ovs-actions(7), "sample").
 */
import type { OdpAction } from '@heddle/datapath';
import type { OfpAct } from '@heddle/openflow';
import { ETH_P_IP, VLAN_CFI, VLAN_VID_MASK } from '@heddle/packet';
import { NETFLOW_OUT_DROP, NETFLOW_OUT_FLOOD, NETFLOW_OUT_MULTI } from '../export/netflow.ts';
import { encodeUserdata, isSampleUserdata, NO_PORT } from '../ofproto/userdata.ts';
import type { OfPort, Ofproto } from '../ofproto.ts';
import type { XlateContext } from './context.ts';

/** What a translation remembers for exporters. */
export interface ExportState {
  /** That the packet has entered by. */
  readonly bridge: Ofproto;
  /** Samples of the packet as it came, which say in the end what became of it. */
  sflow: Placeholder | undefined;
  ipfix: Placeholder | undefined;
  /** Outputs to ports of the datapath, and the last of them. */
  outputs: number;
  lastOutput: OfPort | undefined;
  /** NetFlow's output interface. */
  netflowOut: number;
}

/** Where in a list a sample stands that is still to be written. */
interface Placeholder {
  readonly actions: OdpAction[];
  readonly at: number;
}

const ALWAYS = 0xffff_ffff;

/** Where a packet enters the first bridge: it may be sampled as it came. */
export function startExport(ctx: XlateContext, isResumed: boolean): void {
  const { bridge } = ctx;
  const { sflow, ipfix, netflow } = bridge.exports;
  if (!sflow && !ipfix && !netflow) return;
  ctx.exports = {
    bridge,
    sflow: undefined,
    ipfix: undefined,
    outputs: 0,
    lastOutput: undefined,
    netflowOut: NETFLOW_OUT_DROP,
  };
  if (isResumed) return;
  if (sflow) {
    // The tag that it leaves with is told, which may be the one that it came with.
    ctx.wildcards.vlanTci0 = 0xffff;
    ctx.exports.sflow = keepPlace(ctx);
  }
  if (ipfix?.input) ctx.exports.ipfix = keepPlace(ctx);
}

function keepPlace({ odpActions: actions }: XlateContext): Placeholder {
  actions.push({ type: 'userspace', userdata: new Uint8Array() });
  return { actions, at: actions.length - 1 };
}

function fill({ actions, at }: Placeholder, probability: number, userdata: Uint8Array): void {
  const sample: OdpAction[] = [];
  pushSample(sample, probability, userdata);
  actions.splice(at, 1, ...sample);
}

/** Before a packet leaves by a port of the datapath. */
export function exportDeparture(ctx: XlateContext, port: OfPort, odpPort: number): void {
  const { exports } = ctx;
  if (exports) {
    exports.outputs++;
    exports.lastOutput = port;
  }
  const { bridge } = ctx;
  if (!bridge.exports.ipfix?.output) return;
  ctx.commit();
  const { odpActions } = ctx;
  // What cuts the output must not cut the sample.
  const cut = odpActions.at(-1)?.type === 'trunc' ? odpActions.pop() : undefined;
  const { probability } = bridge.exports.ipfix;
  pushSample(odpActions, probability, ipfixUserdata(bridge, odpPort, false));
  if (cut) odpActions.push(cut);
}

function ipfixUserdata(bridge: Ofproto, outputPort: number, isDropped: boolean): Uint8Array {
  return encodeUserdata({ kind: 'ipfix', bridge: bridge.serial, outputPort, isDropped });
}

/** The `sample` action. */
export function sampleAction(ctx: XlateContext, act: Extract<OfpAct, { type: 'sample' }>): void {
  const { bridge } = ctx;
  // Nobody would hear of it.
  if (!bridge.exports.ipfix && !bridge.exports.hasCollectorSets) return;
  let outputPort = NO_PORT;
  if (act.samplingPort !== OFPP_NONE) {
    const port = bridge.ports.get(act.samplingPort);
    if (port?.odpPort === undefined) {
      ctx.trace('warn', `sampling_port ${act.samplingPort} is no port of the datapath`);
      return;
    }
    outputPort = port.odpPort;
  }
  ctx.commit();
  const { probability, collectorSetId, obsDomainId, obsPointId, direction } = act;
  const userdata = encodeUserdata({
    kind: 'flow_sample',
    bridge: bridge.serial,
    probability,
    collectorSetId,
    obsDomainId,
    obsPointId,
    outputPort,
    direction,
  });
  pushSample(ctx.odpActions, probability * 0x1_0001, userdata);
}

const OFPP_NONE = 0xffff;

function pushSample(actions: OdpAction[], probability: number, userdata: Uint8Array): void {
  const action: OdpAction = { type: 'userspace', userdata };
  actions.push(
    probability === ALWAYS ? action : { type: 'sample', probability, actions: [action] },
  );
}

/** An OpenFlow action sends the packet to a port. */
export function noteOutput(ctx: XlateContext, ofport: number): void {
  const { exports } = ctx;
  if (!exports || exports.bridge !== ctx.bridge) return;
  const { netflowOut } = exports;
  if (netflowOut === NETFLOW_OUT_FLOOD) return;
  exports.netflowOut = netflowOut === NETFLOW_OUT_DROP ? ofport : NETFLOW_OUT_MULTI;
}

export function noteFlood(ctx: XlateContext): void {
  if (ctx.exports?.bridge === ctx.bridge) ctx.exports.netflowOut = NETFLOW_OUT_FLOOD;
}

/** When it is known what becomes of the packet. */
export function finishExport(ctx: XlateContext): void {
  const { exports } = ctx;
  if (!exports) return;
  const { sflow, ipfix, bridge } = exports;
  if (sflow) fill(sflow, bridge.exports.sflow!.probability, sflowUserdata(ctx, exports));
  if (ipfix) {
    const isDropped = exports.outputs === 0 && !ctx.odpActions.some(comesAgain);
    fill(ipfix, bridge.exports.ipfix!.probability, ipfixUserdata(bridge, NO_PORT, isDropped));
  }
  const { netflow } = bridge.exports;
  const { initial, wildcards, odpActions } = ctx;
  if (!netflow || initial.dlType !== ETH_P_IP) return;
  wildcards.nwSrc = 0xffff_ffff;
  wildcards.nwDst = 0xffff_ffff;
  wildcards.nwProto = 0xff;
  wildcards.nwTos |= DSCP;
  wildcards.tpSrc = 0xffff;
  wildcards.tpDst = 0xffff;
  // A packet that comes again is counted when it has been decided about.
  const isDecided = exports.netflowOut !== NETFLOW_OUT_DROP || !odpActions.some(comesAgain);
  if (isDecided) {
    // As the packet has become, like upstream's.
    ctx.effects.netflow = { netflow, flow: ctx.flow.clone(), output: exports.netflowOut };
  }
}

const DSCP = 0xfc;

function comesAgain(action: OdpAction): boolean {
  return action.type === 'recirc' || (action.type === 'clone' && action.actions.some(comesAgain));
}

const SFLOW_MULTIPLE = 0x8000_0000;
const SFLOW_DISCARDED = 0x4000_0000;
/** "unknown" of the reasons to discard. */
const SFLOW_UNKNOWN = 256;

function sflowUserdata(
  ctx: XlateContext,
  { bridge, outputs, lastOutput }: ExportState,
): Uint8Array {
  const { vlanTci0: tci } = ctx.base;
  const hasTag = (tci & VLAN_CFI) !== 0;
  return encodeUserdata({
    kind: 'sflow',
    bridge: bridge.serial,
    vid: hasTag ? tci & VLAN_VID_MASK : 0,
    pcp: hasTag ? tci >>> 13 : 0,
    output: sflowOutput(bridge, outputs, lastOutput),
  });
}

/** The output interface of a flow sample: 2 bits of format, 30 of value. */
function sflowOutput(bridge: Ofproto, outputs: number, last: OfPort | undefined): number {
  if (outputs === 0 || !last) return SFLOW_DISCARDED + SFLOW_UNKNOWN;
  const ifindex = outputs === 1 ? bridge.exports.sflow!.ifindex(last) : 0;
  return ifindex === 0 ? SFLOW_MULTIPLE + outputs : ifindex;
}

/** Whether an action only lets collectors see the packet. */
export function isSample(action: OdpAction): boolean {
  if (action.type === 'sample') return action.actions.every(isSample);
  return action.type === 'userspace' && isSampleUserdata(action.userdata);
}
