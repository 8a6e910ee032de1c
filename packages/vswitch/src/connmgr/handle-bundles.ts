/** Bundles: opening, filling, committing and dropping them. */
import {
  addCookie,
  addPriority,
  bundledBytes,
  bundledOffset,
  decodeMessage,
  type FlowMod,
  Match,
  MessageLog,
  type MessageOf,
  OfpError,
  type OfpMessage,
  type OfpMessageType,
} from '@heddle/openflow';
import { FlowChanges } from '../ofproto/flow-changes.ts';
import { addRule, applyFlowMod, checkFlowMod } from '../ofproto/flow-mod.ts';
import { applyGroupMod } from '../ofproto/group-mod.ts';
import {
  type Bundle,
  bundleBytes,
  dropBundle,
  expireBundle,
  MAX_BUNDLE_BYTES,
  MAX_BUNDLES,
} from './bundle.ts';
import type { Connmgr } from './connmgr.ts';
import { checkPacketOut, handlePacketOut, tryPacketOut } from './handle-packets.ts';
import { handlePortMod, portToChange } from './handle-ports.ts';
import { stateOf } from './known-adds.ts';
import type { OfConn } from './ofconn.ts';
import { StagedAdds } from './staged-adds.ts';

const OFPBF_ATOMIC = 1;
const OFP_HEADER = 8;

export function handleBundleControl(
  mgr: Connmgr,
  conn: OfConn,
  msg: MessageOf<'bundle_control'>,
  raw: Uint8Array,
): void {
  const { bundleId: id, flags } = msg;
  const bundle = conn.bundles.get(id);
  const reply = (control: typeof msg.control): void =>
    conn.send(msg.xid, { type: 'bundle_control', bundleId: id, control, flags });
  switch (msg.control) {
    case 'open_request':
      if (bundle) {
        dropBundle(conn, bundle);
        throw new OfpError('OFPBFC_BAD_ID');
      }
      openBundle(mgr, conn, { id, flags }, raw);
      reply('open_reply');
      return;
    case 'close_request':
      closeBundle(mgr, conn, bundle, flags);
      reply('close_reply');
      return;
    case 'commit_request':
      commitBundle(mgr, conn, bundle, msg);
      reply('commit_reply');
      return;
    case 'discard_request':
      if (!bundle) throw new OfpError('OFPBFC_BAD_ID');
      dropBundle(conn, bundle);
      reply('discard_reply');
      return;
    default:
      throw new OfpError('OFPBFC_BAD_TYPE');
  }
}

/** `raw`, which opens it, is kept. */
function openBundle(
  mgr: Connmgr,
  conn: OfConn,
  { id, flags }: Pick<Bundle, 'id' | 'flags'>,
  raw: Uint8Array,
): Bundle {
  if (conn.bundles.size >= MAX_BUNDLES) throw new OfpError('OFPBFC_OUT_OF_BUNDLES');
  const bundle: Bundle = {
    id,
    flags,
    isClosed: false,
    messages: new MessageLog(),
    staged: new StagedAdds(),
    types: new Set(),
    usedMs: mgr.env.clock.nowMs(),
    timer: undefined,
  };
  conn.bundles.set(id, bundle);
  expireBundle(mgr, conn, bundle, raw.slice());
  return bundle;
}

function closeBundle(mgr: Connmgr, conn: OfConn, bundle: Bundle | undefined, flags: number): void {
  if (!bundle) throw new OfpError('OFPBFC_BAD_ID');
  if (bundle.isClosed) {
    dropBundle(conn, bundle);
    throw new OfpError('OFPBFC_BUNDLE_CLOSED');
  }
  if (bundle.flags !== flags) {
    dropBundle(conn, bundle);
    throw new OfpError('OFPBFC_BAD_FLAGS');
  }
  bundle.isClosed = true;
  bundle.usedMs = mgr.env.clock.nowMs();
}

const BUNDLED: ReadonlySet<OfpMessage['type']> = new Set([
  'flow_mod',
  'group_mod',
  'port_mod',
  'packet_out',
]);

/** `raw` is all of the message. */
export function handleBundleAdd(
  mgr: Connmgr,
  conn: OfConn,
  msg: MessageOf<'bundle_add_message'>,
  raw: Uint8Array,
): void {
  const { bundleId: id, flags, message } = msg;
  if (!BUNDLED.has(message.type)) throw new OfpError('OFPBFC_MSG_UNSUP');
  if (message.xid !== msg.xid) throw new OfpError('OFPBFC_MSG_BAD_XID');
  let added: FlowMod | undefined;
  if (message.type === 'flow_mod') {
    const { ofproto } = mgr.env;
    const mod = checkFlowMod(ofproto, message, message.version);
    // The bridge's tunnel options may be others when the bundle is committed.
    const usesNoTlv = mod === message ? mod.match.tunMetadata.length === 0 : ofproto.tlv.used === 0;
    if (mod.command === 'add' && usesNoTlv) added = mod;
  } else if (message.type === 'packet_out') checkPacketOut(mgr, message);
  // The first message opens a bundle that nobody has opened.
  const bundle = conn.bundles.get(id) ?? openBundle(mgr, conn, { id, flags }, raw);
  if (bundle.isClosed) {
    dropBundle(conn, bundle);
    throw new OfpError('OFPBFC_BUNDLE_CLOSED');
  }
  if (bundle.flags !== flags) {
    dropBundle(conn, bundle);
    throw new OfpError('OFPBFC_BAD_FLAGS');
  }
  if (bundleBytes(mgr) + raw.length > MAX_BUNDLE_BYTES) {
    dropBundle(conn, bundle);
    throw new OfpError('OFPBFC_MSG_TOO_MANY');
  }
  bundle.usedMs = mgr.env.clock.nowMs();
  bundle.messages.push(raw);
  if (added) {
    bundle.staged.push(added, message.version);
    const inner = bundledOffset(raw, 0);
    mgr.knownAdds.learn(raw, inner, raw.length - inner, added, message);
  } else bundle.staged.pushOther();
  bundle.types.add(message.type);
}

/** As `handleBundleAdd`, of one that adds a flow as others have; false: it is to be decoded. */
export function takeBundleAdd(
  mgr: Connmgr,
  conn: OfConn,
  bytes: Uint8Array,
  at: number,
  length: number,
): boolean {
  const inner = bundledOffset(bytes, at);
  if (at + length - inner < OFP_HEADER) return false;
  const dv = mgr.knownAdds.viewOf(bytes);
  const bundle = conn.bundles.get(dv.getUint32(inner - 8));
  if (
    bundle === undefined ||
    bundle.isClosed ||
    bundle.flags !== dv.getUint16(inner - 2) ||
    dv.getUint8(inner) !== conn.version ||
    dv.getUint32(inner + 4) !== dv.getUint32(at + 4) ||
    bundleBytes(mgr) + length > MAX_BUNDLE_BYTES
  ) {
    return false;
  }
  const { layouts } = mgr.knownAdds;
  const layout = layouts.find(dv, inner, at + length - inner);
  if (!layout) return false;
  const state = stateOf(layout.known, addCookie(dv, inner));
  const priority = addPriority(dv, inner);
  if (!bundle.staged.pushKnown(layout, dv, inner, priority, state)) return false;
  bundle.usedMs = mgr.env.clock.nowMs();
  bundle.messages.push(bytes, at, length);
  bundle.types.add('flow_mod');
  return true;
}

/** All of it or nothing; the error of a message carries that message's xid. */
function commitBundle(
  mgr: Connmgr,
  conn: OfConn,
  bundle: Bundle | undefined,
  msg: MessageOf<'bundle_control'>,
): void {
  if (!bundle) throw new OfpError('OFPBFC_BAD_ID');
  dropBundle(conn, bundle);
  if (bundle.flags !== msg.flags) throw new OfpError('OFPBFC_BAD_FLAGS');
  if ((bundle.flags & OFPBF_ATOMIC) !== 0 && bundle.types.has('port_mod')) {
    throw new OfpError('OFPBFC_MSG_FAILED');
  }
  const changes = new FlowChanges(mgr.env.ofproto, conn.origin);
  const now = mgr.env.nowMs();
  const context = { hasTableId: conn.hasTableId, into: scratch, tlv: mgr.env.ofproto.tlv };
  const messages = bundle.messages.cursor();
  const done: FlowMod['command'][] = [];
  let n = 0;
  try {
    for (const added of bundle.staged) {
      if (added) {
        addRule(changes, added, now);
        done.push('add');
      } else {
        const message = decodeMessage(bundledBytes(messages.at(n)), context);
        apply(mgr, changes, message, now);
        if (message.type === 'flow_mod') done.push(message.command);
      }
      n++;
    }
  } catch (error) {
    changes.revert();
    if (!(error instanceof OfpError)) throw error;
    mgr.sendError(conn, error.ofpErr, messages.at(n));
    throw new OfpError('OFPBFC_MSG_FAILED');
  }
  for (const command of done) conn.flowMods.count(command);
  mgr.commit(changes, conn, msg.xid);
  if (!EFFECTS.some((type) => bundle.types.has(type))) return;
  for (const raw of bundle.messages) {
    const message = decodeMessage(bundledBytes(raw), context);
    if (message.type === 'packet_out') handlePacketOut(mgr, message);
    else if (message.type === 'port_mod') handlePortMod(mgr, conn, message);
  }
}

const scratch = new Match();
/** What happens when the tables stand. */
const EFFECTS: readonly OfpMessageType[] = ['packet_out', 'port_mod'];

/** What is not done yet must be possible. */
function apply(mgr: Connmgr, changes: FlowChanges, message: OfpMessage, now: number): void {
  if (message.type === 'flow_mod') applyFlowMod(changes, message, now, message.version);
  else if (message.type === 'group_mod') applyGroupMod(changes, message, now);
  else if (message.type === 'port_mod') portToChange(mgr, message);
  else if (message.type === 'packet_out') tryPacketOut(mgr, message);
}
