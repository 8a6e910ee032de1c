/** Packets that come by tunnels, and what goes out of them. */
import {
  copyTunnel,
  copyTunnelFields,
  ETH_P_IP,
  ETH_P_IPV6,
  FLOW_TNL_F_CRIT,
  FLOW_TNL_F_CSUM,
  FLOW_TNL_F_DONT_FRAGMENT,
  FLOW_TNL_F_KEY,
  FLOW_TNL_F_OAM,
  FLOW_TNL_F_SEQ,
  Flow,
  fillTunnelAddresses,
  isTunnelled,
  putErspan,
  putTunnelOptions,
  sameTunnel,
  setTunnelDestination,
  setTunnelSource,
  TUN_OPTS_MAX,
  tunnelDestination,
} from '@heddle/packet';
import { vlog } from '@heddle/runtime';
import type { OfPort } from '../ofproto.ts';
import type { ErspanConfig, TunnelConfig } from '../tunnel/config.ts';
import type { XlateContext } from './context.ts';
import { sendNative } from './native-tunnel.ts';

const log = vlog.module('tunnel');
const ECN = 3;
const ECN_ECT_0 = 2;
const ECN_CE = 3;
const DEFAULT_TTL = 64;
const NO_ADDRESS = new Uint8Array(16);

function isIp({ dlType }: Flow): boolean {
  return dlType === ETH_P_IP || dlType === ETH_P_IPV6;
}

/** Those that are the port's own, whatever the packet came with. */
const OWN_FLAGS = FLOW_TNL_F_DONT_FRAGMENT | FLOW_TNL_F_CSUM | FLOW_TNL_F_KEY;
const INHERITED_FLAGS = FLOW_TNL_F_CRIT | FLOW_TNL_F_OAM | FLOW_TNL_F_SEQ;

/** What decides which port it is. */
export function lookAtTunnel(ctx: XlateContext, key: Flow): void {
  const { wildcards } = ctx;
  ctx.tunnelDst = tunnelDestination(key);
  wildcards.tunId = 0xffff_ffff_ffff_ffffn;
  fillTunnelAddresses(wildcards, key);
  wildcards.tunFlags |= OWN_FLAGS;
  wildcards.tunTos = 0xff;
}

/** Takes congestion seen on the way over into the packet (RFC 6040). False: it must go. */
export function receiveTunnel(ctx: XlateContext): boolean {
  const { flow, wildcards } = ctx;
  if ((flow.tunTos & ECN) !== ECN_CE || !isIp(flow)) return true;
  wildcards.nwTos |= ECN;
  if ((flow.nwTos & ECN) === 0) {
    log.rl.warn('dropping tunnel packet marked ECN CE but is not ECN capable');
    ctx.drop('congestion on the way and not ECN capable');
    return false;
  }
  ctx.written.nwTos |= ECN;
  flow.nwTos |= ECN_CE;
  return true;
}

/** Sends the packet through a tunnel as the kernel's datapath does: `set(tunnel(...)),N`. */
export function sendToTunnel(ctx: XlateContext, port: OfPort, config: TunnelConfig): void {
  const { flow, base } = ctx;
  const kept = new Flow();
  copyTunnelFields(flow, kept);
  lookAtOuter(ctx);
  if (!fillTunnelHeader(ctx, config)) {
    ctx.trace('warn', 'tunnel options are longer than the datapath can send');
    ctx.drop('tunnel options too long');
    copyTunnelFields(kept, flow);
    return;
  }
  if (config.egressPktMark !== undefined) {
    ctx.wildcards.pktMark = 0xffff_ffff;
    ctx.written.pktMark = 0xffff_ffff;
    flow.pktMark = config.egressPktMark;
  }
  if (tunnelDestination(flow).every((b, i) => b === ctx.tunnelDst[i])) {
    ctx.trace('warn', 'Not tunneling to our own address');
    ctx.drop('not tunneling to our own address');
    return;
  }
  const { native } = ctx.config;
  if (native) {
    sendNative(ctx, native, port, config, kept);
    return;
  }
  ctx.trace('detail', 'output to kernel tunnel');
  // Without a destination there is no header: what was set before, if anything, stays.
  if (isTunnelled(flow) && !sameTunnel(flow, base)) {
    const key = new Flow();
    copyTunnel(flow, key);
    ctx.odpActions.push({ type: 'set_tunnel', key });
    copyTunnel(flow, base);
  }
  ctx.effects.patches.push({ from: port, to: undefined });
  copyTunnelFields(kept, flow);
  ctx.output(port.odpPort!);
}

/** What a packet brought by a tunnel goes on with, when nothing has written it. */
function lookAtOuter(ctx: XlateContext): void {
  const from = ctx.inPort?.tunnel;
  if (!from || !isTunnelled(ctx.initial)) return;
  ctx.wildcards.tunFlags |= INHERITED_FLAGS;
  if (from.gbp) {
    ctx.wildcards.tunGbpId = 0xffff;
    ctx.wildcards.tunGbpFlags = 0xff;
  }
  if (from.type === 'geneve' || from.type === 'erspan') {
    ctx.wildcards.tunOptsLen = 0xff;
    ctx.wildcards.tunOpts.fill(0xff);
  }
}

/** Makes the flow's tunnel what the port's configuration wants; false: it cannot be. */
function fillTunnelHeader(ctx: XlateContext, c: TunnelConfig): boolean {
  const { flow } = ctx;
  if (c.remote !== 'flow') setTunnelDestination(flow, c.remote);
  if (c.local !== 'flow') setTunnelSource(flow, c.local ?? NO_ADDRESS);
  flow.tunTpSrc = 0;
  flow.tunTpDst = c.dstPort;
  if (c.outKey === 'none') flow.tunId = 0n;
  else if (c.outKey !== 'flow') flow.tunId = c.outKey;
  flow.tunFlags =
    (c.dontFragment ? FLOW_TNL_F_DONT_FRAGMENT : 0) |
    (c.csum ? FLOW_TNL_F_CSUM : 0) |
    (c.outKey === 'none' ? 0 : FLOW_TNL_F_KEY) |
    (flow.tunFlags & ~OWN_FLAGS);
  if (c.seq) flow.tunFlags |= FLOW_TNL_F_SEQ;
  fillTosAndTtl(ctx, c);
  if (!c.gbp) {
    flow.tunGbpId = 0;
    flow.tunGbpFlags = 0;
  }
  fillErspan(flow, c.erspan);
  if (c.type === 'erspan') {
    putErspanOf(flow);
    return true;
  }
  const options = c.type === 'geneve' ? ctx.bridge.tlv.writeOptions(flow) : new Uint8Array();
  if (options.length > TUN_OPTS_MAX) return false;
  putTunnelOptions(flow, options);
  if (hasCritical(options)) flow.tunFlags |= FLOW_TNL_F_CRIT;
  return true;
}

function hasCritical(options: Uint8Array): boolean {
  for (let at = 0; at + 4 <= options.length; at += 4 + (options[at + 3]! & 0x1f) * 4) {
    if (options[at + 2]! & 0x80) return true;
  }
  return false;
}

/**
 * What is not `flow` is the port's, of any type, and of both versions; with a version that is `flow` all
 * of it is the flow's.
 */
function fillErspan(flow: Flow, c: ErspanConfig): void {
  if (c.ver === 'flow') return;
  flow.tunErspanVer = c.ver;
  if (c.idx !== 'flow') flow.tunErspanIdx = c.idx;
  if (c.dir !== 'flow') flow.tunErspanDir = c.dir;
  if (c.hwid !== 'flow') flow.tunErspanHwid = c.hwid;
}

/** A version that there is not leaves the packet without a header. */
function putErspanOf(flow: Flow): void {
  const ver = flow.tunErspanVer;
  const [v1, v2] = [ver === 1, ver === 2];
  putErspan(flow, {
    ver,
    idx: v1 ? flow.tunErspanIdx & 0xfffff : 0,
    dir: v2 ? flow.tunErspanDir & 1 : 0,
    hwid: v2 ? flow.tunErspanHwid & 0x3f : 0,
  });
}

/** DSCP and TTL are inherited where that is asked for, ECN always; CE starts anew as ECT(0). */
function fillTosAndTtl(ctx: XlateContext, { tos, ttl }: TunnelConfig): void {
  const { flow, wildcards } = ctx;
  flow.tunTtl = ttl === 'inherit' ? DEFAULT_TTL : ttl;
  flow.tunTos = tos === 'inherit' ? 0 : tos;
  if (!isIp(flow)) return;
  wildcards.nwTos |= ECN;
  if (ttl === 'inherit') {
    wildcards.nwTtl = 0xff;
    flow.tunTtl = flow.nwTtl;
  }
  if (tos === 'inherit') {
    wildcards.nwTos = 0xff;
    flow.tunTos = flow.nwTos & ~ECN;
  }
  const ecn = flow.nwTos & ECN;
  flow.tunTos |= ecn === ECN_CE ? ECN_ECT_0 : ecn;
}
