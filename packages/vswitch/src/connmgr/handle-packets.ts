/** Packets from controllers. */
import {
  checkActions,
  Match,
  type MessageOf,
  OFP_NO_BUFFER,
  OFPP_CONTROLLER,
  OFPP_LOCAL,
  OFPP_MAX,
  OFPP_NONE,
  OFPTT_ALL,
  type OfpAct,
  OfpError,
} from '@heddle/openflow';
import { copyTunnelFields, extractBeyondKey, extractFlow, type Flow } from '@heddle/packet';
import { checkReferences } from '../ofproto/check.ts';
import { N_TABLES } from '../ofproto/flow-table.ts';
import type { FrozenState } from '../ofproto/recirc.ts';
import { placeTunMetadata } from '../ofproto/tlv.ts';
import type { Ofproto } from '../ofproto.ts';
import { limitTags } from '../xlate/tags.ts';
import type { Connmgr } from './connmgr.ts';

const ETH_HEADER_BYTES = 14;

export function handlePacketOut(mgr: Connmgr, msg: MessageOf<'packet_out'>): void {
  translatePacketOut(mgr, msg, 'packetOut');
}

/** Throws `OfpError` for what `handlePacketOut` could not do. */
export function tryPacketOut(mgr: Connmgr, msg: MessageOf<'packet_out'>): void {
  translatePacketOut(mgr, msg, 'checkPacketOut');
}

function translatePacketOut(
  mgr: Connmgr,
  msg: MessageOf<'packet_out'>,
  how: 'packetOut' | 'checkPacketOut',
): void {
  const { flow, actions } = checkPacketOut(mgr, msg);
  checkReferences(mgr.env.ofproto, actions);
  // As upstream, not an error: there is nothing that could be sent.
  if (msg.packet.length >= ETH_HEADER_BYTES) mgr.env[how](flow, msg.packet, actions);
}

/** Throws `OfpError` for what cannot be carried out; the packet's key, and the actions that fit it. */
export function checkPacketOut(
  { env }: Connmgr,
  msg: MessageOf<'packet_out'>,
): { flow: Flow; actions: readonly OfpAct[] } {
  if (msg.bufferId !== OFP_NO_BUFFER) throw new OfpError('OFPBRC_BUFFER_UNKNOWN');
  const { inPort } = msg.metadata.key;
  const isPort = inPort < OFPP_MAX || inPort === OFPP_LOCAL;
  if (!isPort && inPort !== OFPP_CONTROLLER && inPort !== OFPP_NONE) {
    throw new OfpError('OFPBRC_BAD_PORT');
  }
  const flow = extractFlow(msg.packet, { inPort });
  const metadata = metadataOf(env.ofproto, msg.metadata);
  flow.pktMark = metadata.pktMark;
  flow.u32.set(metadata.u32.subarray(64), 64);
  copyTunnelFields(metadata, flow);
  extractBeyondKey(msg.packet, flow);
  const context = {
    match: new Match(limitTags(flow, env.vlanLimit)),
    tableId: OFPTT_ALL,
    nTables: N_TABLES,
    maxPorts: OFPP_MAX,
  };
  const actions = checkActions(msg.actions, context, msg.version);
  return { flow, actions };
}

/** As upstream's, without options that are not mapped. */
function metadataOf(ofproto: Ofproto, { key, mask, tunMetadata }: Match): Flow {
  const mapped = tunMetadata.filter(({ index }) => ofproto.tlv.has(index));
  return placeTunMetadata(ofproto, new Match(key, mask, mapped)).key;
}

export function handleResume(mgr: Connmgr, msg: MessageOf<'resume'>): void {
  const { continuation, metadata } = msg;
  if (!continuation) throw new OfpError('NXR_NOT_SUPPORTED');
  const { ofproto } = mgr.env;
  const flow = extractFlow(msg.packet, { inPort: metadata.key.inPort });
  extractBeyondKey(msg.packet, flow);
  const state: FrozenState = {
    bridge: ofproto,
    ofport: metadata.key.inPort,
    tableId: undefined,
    cookie: continuation.cookie,
    metadata: metadata.key,
    stack: continuation.stack,
    actionSet: continuation.actionSet,
    rests: [continuation, ...(continuation.outer ?? [])],
    conntracked: continuation.conntracked,
    wasMpls: false,
    isHashed: false,
    mirrored: continuation.mirrors,
    pauseReason: 'controller',
  };
  mgr.env.resume(state, flow, msg.packet);
}
