/** Actions that change the packet's headers and the pipeline's registers. */
import type { OfpAct } from '@heddle/openflow';
import { OFPR_INVALID_TTL } from '@heddle/openflow/msgs/packet-in-reason';
import {
  ETH_P_IP,
  ETH_P_IPV6,
  type Field,
  fieldByName,
  fieldGet,
  fieldSet,
  isMpls,
  VLAN_CFI,
} from '@heddle/packet';
import { countLabels } from './commit.ts';
import { isTagged, type XlateContext } from './context.ts';
import { sendToController } from './controller.ts';
import { clearNetwork, decapAction, encapAction } from './encap.ts';
import { MAX_LABELS, tooManyLabels } from './limits.ts';
import {
  lookAt,
  lookAtSubfield,
  markSubfieldWritten,
  markWritten,
  subfieldGet,
  subfieldSet,
} from './subfield.ts';
import { traceSubfield } from './text.ts';

const HEADER_TYPES = [
  'set_field',
  'set_vlan_vid',
  'set_vlan_pcp',
  'strip_vlan',
  'push_vlan',
  'mod_dl_src',
  'mod_dl_dst',
  'mod_nw_src',
  'mod_nw_dst',
  'mod_nw_tos',
  'mod_nw_ecn',
  'mod_nw_ttl',
  'mod_tp_src',
  'mod_tp_dst',
  'move',
  'dec_ttl',
  'set_mpls_label',
  'set_mpls_tc',
  'set_mpls_ttl',
  'dec_mpls_ttl',
  'push_mpls',
  'pop_mpls',
  'dec_nsh_ttl',
  'encap',
  'decap',
  'delete_field',
  'set_tunnel',
] as const;

type HeaderAction = Extract<OfpAct, { type: (typeof HEADER_TYPES)[number] }>;

const HEADERS: ReadonlySet<string> = new Set(HEADER_TYPES);

export function isHeaderAction(act: OfpAct): act is HeaderAction {
  return HEADERS.has(act.type);
}

function field(name: string): Field {
  return fieldByName(name)!;
}

const FIELD = {
  ethSrc: field('eth_src'),
  ethDst: field('eth_dst'),
  ipSrc: field('ip_src'),
  ipDst: field('ip_dst'),
  tos: field('nw_tos'),
  ecn: field('nw_ecn'),
  ttl: field('nw_ttl'),
  tunId: field('tun_id'),
};

export function xlateHeaderAction(ctx: XlateContext, act: HeaderAction): void {
  const { flow, wildcards } = ctx;
  switch (act.type) {
    case 'set_field':
      setField(ctx, act.set.field, act.set.value, act.set.mask);
      return;
    case 'move': {
      lookAtSubfield(ctx, act.src);
      lookAtSubfield(ctx, act.dst);
      markSubfieldWritten(ctx, act.dst);
      if (has(ctx, act.src.field) && has(ctx, act.dst.field)) {
        subfieldSet(flow, act.dst, subfieldGet(flow, act.src));
        afterWrite(ctx, act.dst.field);
      }
      traceSubfield(ctx, act.dst);
      return;
    }
    case 'mod_dl_src':
      setField(ctx, FIELD.ethSrc, BigInt(act.mac));
      return;
    case 'mod_dl_dst':
      setField(ctx, FIELD.ethDst, BigInt(act.mac));
      return;
    case 'mod_nw_src':
      if (flow.dlType === ETH_P_IP) setField(ctx, FIELD.ipSrc, BigInt(act.ip));
      return;
    case 'mod_nw_dst':
      if (flow.dlType === ETH_P_IP) setField(ctx, FIELD.ipDst, BigInt(act.ip));
      return;
    case 'mod_nw_tos':
      if (isIp(ctx)) setField(ctx, FIELD.tos, BigInt(act.value));
      return;
    case 'mod_nw_ecn':
      if (isIp(ctx)) setField(ctx, FIELD.ecn, BigInt(act.value));
      return;
    case 'mod_nw_ttl':
      if (isIp(ctx)) setField(ctx, FIELD.ttl, BigInt(act.value));
      return;
    case 'mod_tp_src':
      setPort(ctx, 'tpSrc', act.port);
      return;
    case 'mod_tp_dst':
      setPort(ctx, 'tpDst', act.port);
      return;
    case 'dec_ttl':
      decTtl(ctx, act.ids);
      return;
    case 'set_tunnel':
      setField(ctx, FIELD.tunId, act.id);
      return;
    case 'set_vlan_vid':
      wildcards.vlanTci0 |= 0x1fff;
      if (isTagged(flow) || act.push !== false) setTci(ctx, 0xfff, act.vid);
      return;
    case 'set_vlan_pcp':
      wildcards.vlanTci0 |= 0xf000;
      if (isTagged(flow) || act.push !== false) setTci(ctx, 0xe000, act.pcp << 13);
      return;
    case 'strip_vlan':
      lookAtTags(ctx);
      // Without its CFI bit what was written of a tag is kept.
      if (isTagged(flow)) ctx.tags = ctx.tags.slice(1);
      return;
    case 'push_vlan':
      pushVlan(ctx, act.ethertype);
      return;
    default:
      xlateOther(ctx, act);
  }
}

function xlateOther(ctx: XlateContext, act: HeaderAction): void {
  const { flow } = ctx;
  switch (act.type) {
    case 'push_mpls':
      pushMpls(ctx, act.ethertype);
      return;
    case 'pop_mpls':
      popMpls(ctx, act.ethertype);
      return;
    case 'set_mpls_label':
      setLse(ctx, 0xffff_f000, act.value << 12);
      return;
    case 'set_mpls_tc':
      setLse(ctx, 0xe00, act.value << 9);
      return;
    case 'set_mpls_ttl':
      setLse(ctx, 0xff, act.value);
      return;
    case 'dec_mpls_ttl': {
      if (!isMpls(flow.dlType)) return;
      ctx.wildcards.mplsLse0 |= 0xff;
      readsStack(ctx);
      const ttl = flow.mplsLse0 & 0xff;
      if (ttl > 1) setLse(ctx, 0xff, ttl - 1);
      else {
        ctx.trace('warn', 'MPLS decrement TTL exception');
        invalidTtl(ctx, [0]);
      }
      return;
    }
    case 'delete_field':
      if (act.field.tunMetadata === undefined) fieldSet(flow, act.field, 0n);
      else flow.tlv?.remove(flow, act.field.tunMetadata);
      ctx.trace('detail', `delete ${act.field.name}`);
      return;
    case 'encap':
      encapAction(ctx, act);
      return;
    case 'decap':
      // What was below is not known before the packet is looked at anew.
      if (decapAction(ctx, act)) ctx.frozen = [];
      return;
    case 'dec_nsh_ttl':
      decNshTtl(ctx);
  }
}

function isIp({ flow }: XlateContext): boolean {
  return flow.dlType === ETH_P_IP || flow.dlType === ETH_P_IPV6;
}

/** Whether the packet has the header that a field is in; a write to another is ignored. */
function has(ctx: XlateContext, { prerequisite, name }: Field): boolean {
  const { flow } = ctx;
  const transport = (protocol: number) => isIp(ctx) && flow.nwProto === protocol && isFirst(ctx);
  switch (prerequisite) {
    case 'Ethernet':
      return flow.packetType === 0;
    case 'VLAN VID':
      return flow.packetType === 0 && isTagged(flow);
    case 'MPLS':
      return isMpls(flow.dlType);
    case 'IPv4':
      return flow.dlType === ETH_P_IP;
    case 'IPv6':
      return flow.dlType === ETH_P_IPV6;
    case 'IPv4/IPv6':
      return isIp(ctx);
    case 'ARP':
      return flow.dlType === 0x0806 || flow.dlType === 0x8035;
    case 'TCP':
      return transport(6);
    case 'UDP':
      return transport(17);
    case 'SCTP':
      return transport(132);
    case 'ICMPv4':
      return flow.dlType === ETH_P_IP && flow.nwProto === 1;
    case 'ICMPv6':
      return flow.dlType === ETH_P_IPV6 && flow.nwProto === 58;
    case 'ND':
    case 'ND solicit':
    case 'ND advert':
      return (
        flow.dlType === ETH_P_IPV6 && flow.nwProto === 58 && flow.tpSrc >= 135 && flow.tpSrc <= 136
      );
    case 'NSH':
      return flow.dlType === 0x894f;
    case 'CT':
      return (flow.ctState & CT_VALID) !== 0;
    default:
      return name !== 'vlan_vid' || isTagged(flow);
  }
}

/** `new`, `est` or `rpl`: one of them is set in what is tracked and valid. */
const CT_VALID = 0x0b;

function isFirst({ flow }: XlateContext): boolean {
  return (flow.nwFrag & 2) === 0;
}

function setField(ctx: XlateContext, of: Field, value: bigint, mask?: bigint): void {
  const all = (1n << BigInt(of.bits ?? of.width)) - 1n;
  const bits = mask ?? all;
  // vlan_vid carries OFPVID_PRESENT beyond its bits.
  lookAt(ctx, of, of.name === 'vlan_vid' ? bits | 0x1000n : bits);
  markWritten(ctx, of, bits);
  if (!has(ctx, of)) {
    ctx.trace('warn', `unmet prerequisites for ${of.name}, set_field ignored`);
    return;
  }
  let written = (fieldGet(ctx.flow, of) & ~bits) | (value & bits);
  if (of.name === 'vlan_vid') written |= 0x1000n;
  fieldSet(ctx.flow, of, written);
  afterWrite(ctx, of);
}

/** A tag that is written by its whole TCI comes and goes by its CFI bit. */
function afterWrite({ flow }: XlateContext, of: Field): void {
  if (of.name !== 'vlan_tci' && of.name !== 'vlan_vid') return;
  // Without its CFI bit the rest is kept, for who writes that bit last.
  if ((flow.vlanTci0 & VLAN_CFI) === 0) flow.vlanTpid0 = 0;
  else if (flow.vlanTpid0 === 0) flow.vlanTpid0 = 0x8100;
}

function setPort(ctx: XlateContext, name: 'tpSrc' | 'tpDst', port: number): void {
  const { flow, wildcards } = ctx;
  if (!isIp(ctx)) return;
  wildcards.nwProto = 0xff;
  const { nwProto } = flow;
  if ((nwProto !== 6 && nwProto !== 17 && nwProto !== 132) || !isFirst(ctx)) return;
  wildcards[name] = 0xffff;
  ctx.written[name] = 0xffff;
  flow[name] = port;
}

/** Decrements the TTL; a packet that has none left goes to controllers, and no further. */
function decTtl(ctx: XlateContext, ids: readonly number[]): void {
  const { flow, wildcards } = ctx;
  if (!isIp(ctx)) return;
  wildcards.nwTtl = 0xff;
  ctx.written.nwTtl = 0xff;
  if (flow.nwTtl > 1) flow.nwTtl--;
  else {
    const family = flow.dlType === ETH_P_IP ? 'IPv4' : 'IPv6';
    ctx.trace('warn', `${family} decrement TTL exception`);
    invalidTtl(ctx, ids);
  }
}

function decNshTtl(ctx: XlateContext): void {
  const { flow } = ctx;
  if (flow.dlType !== 0x894f) return;
  ctx.wildcards.nshTtl = 0xff;
  ctx.written.nshTtl = 0xff;
  ctx.slow.add('nsh');
  if (flow.nshTtl > 1) flow.nshTtl--;
  else {
    ctx.trace('warn', 'NSH decrement TTL exception');
    invalidTtl(ctx, [0]);
  }
}

function invalidTtl(ctx: XlateContext, ids: readonly number[]): void {
  for (const controllerId of ids.length > 0 ? ids : [0]) {
    sendToController(ctx, {
      reason: OFPR_INVALID_TTL,
      maxLen: 0xffff,
      controllerId,
      userdata: undefined,
      pause: false,
      meter: undefined,
    });
  }
  ctx.drop('the TTL has run out');
  ctx.hasTtlExpired = true;
}

function setTci(ctx: XlateContext, mask: number, value: number): void {
  const { flow } = ctx;
  flow.vlanTci0 = (flow.vlanTci0 & ~mask) | (value & mask) | VLAN_CFI;
  if (flow.vlanTpid0 === 0) flow.vlanTpid0 = 0x8100;
}

function pushVlan(ctx: XlateContext, tpid: number): void {
  lookAtTags(ctx);
  const { flow } = ctx;
  flow.vlanTci1 = flow.vlanTci0;
  flow.vlanTpid1 = flow.vlanTpid0;
  flow.vlanTci0 = VLAN_CFI;
  flow.vlanTpid0 = tpid;
}

/** What comes in the place of tags is compared with them, before the packet is sent. */
export function lookAtTags({ wildcards, initial, config }: XlateContext): void {
  wildcards.vlanTci0 = 0xffff;
  wildcards.vlanTpid0 = 0xffff;
  if (config.vlanLimit < 2 || (initial.vlanTci0 & VLAN_CFI) === 0) return;
  wildcards.vlanTci1 = 0xffff;
  wildcards.vlanTpid1 = 0xffff;
}

const BOS = 0x100;

/** What is below the bottom of the stack is none of it. */
function lookAtLabels(ctx: XlateContext): number {
  for (const name of ['mplsLse0', 'mplsLse1', 'mplsLse2'] as const) {
    ctx.wildcards[name] |= BOS;
    if ((ctx.flow[name] & BOS) !== 0) break;
  }
  return countLabels(ctx.flow);
}

/** The datapath's key has no labels: a packet that comes with some is looked at by itself. */
function readsStack(ctx: XlateContext): void {
  if (isMpls(ctx.initial.dlType)) ctx.slow.add('mpls');
}

function pushMpls(ctx: XlateContext, ethertype: number): void {
  const { flow, wildcards } = ctx;
  const labels = lookAtLabels(ctx);
  if (labels >= MAX_LABELS) tooManyLabels(ctx, 'MPLS push action', 'would have');
  if (labels > 0) {
    readsStack(ctx);
    wildcards.mplsLse0 = 0xffff_ffff;
    flow.mplsLse2 = flow.mplsLse1;
    flow.mplsLse1 = flow.mplsLse0;
    flow.mplsLse0 = (flow.mplsLse0 & ~BOS) >>> 0;
  } else {
    ctx.commit();
    let [label, tc, ttl] = [0, 0, 64];
    if (isIp(ctx)) {
      if (flow.dlType === ETH_P_IPV6) label = 2;
      wildcards.nwTos |= 0xfc;
      wildcards.nwTtl = 0xff;
      tc = (flow.nwTos >> 2) & 7;
      ttl = flow.nwTtl || 64;
    }
    // The headers below are out of reach now.
    clearNetwork(flow);
    flow.dpHash = 0;
    flow.mplsLse0 = ((label << 12) | (tc << 9) | BOS | ttl) >>> 0;
  }
  flow.dlType = ethertype;
}

function popMpls(ctx: XlateContext, ethertype: number): void {
  const { flow, wildcards } = ctx;
  const labels = lookAtLabels(ctx);
  if (labels === 0) return;
  if (labels === MAX_LABELS && (flow.mplsLse2 & BOS) === 0) {
    tooManyLabels(ctx, 'MPLS pop action', 'has');
  }
  wildcards.mplsLse0 |= BOS;
  // What is set from here on is part of an entry that was below.
  if (labels > 1) wildcards.mplsLse1 = 0xffff_ffff;
  if (labels > 2) wildcards.mplsLse2 = 0xffff_ffff;
  readsStack(ctx);
  flow.mplsLse0 = flow.mplsLse1;
  flow.mplsLse1 = flow.mplsLse2;
  flow.mplsLse2 = 0;
  flow.dlType = ethertype;
  // What was below is not known before the packet is looked at anew.
  if (!isMpls(ethertype)) ctx.wasMpls = true;
}

const NETWORK_FIELDS: ReadonlySet<string | undefined> = new Set([
  ...['IPv4', 'IPv6', 'IPv4/IPv6', 'ARP', 'TCP', 'UDP', 'SCTP', 'ICMPv4', 'ICMPv6'],
  ...['ND', 'ND solicit', 'ND advert', 'NSH', 'MPLS'],
]);

/** Whether an action can be done though what a popped label stood in front of is not known. */
export function worksOnUnknown(act: OfpAct): boolean {
  switch (act.type) {
    case 'output':
    case 'output_reg':
    case 'output_trunc':
    case 'set_queue':
    case 'set_tunnel':
    case 'mod_dl_src':
    case 'mod_dl_dst':
    case 'group':
      return true;
    case 'set_field':
      return !NETWORK_FIELDS.has(act.set.field.prerequisite);
    default:
      return false;
  }
}

function setLse(ctx: XlateContext, mask: number, value: number): void {
  const { flow, wildcards } = ctx;
  if (!isMpls(flow.dlType)) return;
  wildcards.mplsLse0 = (wildcards.mplsLse0 | mask) >>> 0;
  readsStack(ctx);
  flow.mplsLse0 = ((flow.mplsLse0 & ~mask) | (value & mask)) >>> 0;
}
