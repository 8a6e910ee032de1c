/** Takes flow mods that add flows as others before them have, by themselves or within bundles. */
import { type AddLayout, addCookie, addPriority, Match, OfpError } from '@heddle/openflow';
import { Flow } from '@heddle/packet';
import { FlowChanges } from '../ofproto/flow-changes.ts';
import { type AddedRule, addRule } from '../ofproto/flow-mod.ts';
import type { RuleState } from '../ofproto/rule.ts';
import type { Connmgr } from './connmgr.ts';
import { takeBundleAdd } from './handle-bundles.ts';
import { stateOf } from './known-adds.ts';
import type { OfConn } from './ofconn.ts';

const OFPT_VENDOR = 4;
const OFPT_FLOW_MOD = 14;
const OFPT14_BUNDLE_ADD_MESSAGE = 34;
const ONF_VENDOR_ID = 0x4f4e_4600;
const ONFT_BUNDLE_ADD_MESSAGE = 2301;
const VENDOR_HEADER = 16;

/** Takes a message that adds a flow as others have; false: it is to be decoded. */
export function takeKnownAdd(
  mgr: Connmgr,
  conn: OfConn,
  bytes: Uint8Array,
  at: number,
  length: number,
): boolean {
  if (conn.role === 'secondary') return false;
  switch (bytes[at + 1]) {
    case OFPT_FLOW_MOD:
      return takeFlowMod(mgr, conn, bytes, at, length);
    case OFPT14_BUNDLE_ADD_MESSAGE:
      return conn.version >= 5 && takeBundleAdd(mgr, conn, bytes, at, length);
    case OFPT_VENDOR: {
      if (conn.version !== 4 || length < VENDOR_HEADER) return false;
      const dv = mgr.knownAdds.viewOf(bytes);
      if (dv.getUint32(at + 8) !== ONF_VENDOR_ID) return false;
      if (dv.getUint32(at + 12) !== ONFT_BUNDLE_ADD_MESSAGE) return false;
      return takeBundleAdd(mgr, conn, bytes, at, length);
    }
    default:
      return false;
  }
}

/** Whose key is good until the next message. */
const matches = new WeakMap<AddLayout<RuleState>, Match>();
const key = new Flow();
const words = new Uint32Array(key.u32.length);

function takeFlowMod(
  mgr: Connmgr,
  conn: OfConn,
  bytes: Uint8Array,
  at: number,
  length: number,
): boolean {
  const dv = mgr.knownAdds.viewOf(bytes);
  const layout = mgr.knownAdds.layouts.find(dv, at, length);
  if (!layout?.readKey(dv, at, words, 0)) return false;
  key.clear();
  for (let i = 0; i < layout.words.length; i++) key.u32[layout.words[i]!] = words[i]!;
  let match = matches.get(layout);
  if (!match) {
    match = new Match(key, layout.mask, [], true);
    matches.set(layout, match);
  }
  const state = stateOf(layout.known, addCookie(dv, at));
  const added: AddedRule = {
    tableId: layout.tableId,
    priority: addPriority(dv, at),
    match,
    state,
  };
  const changes = new FlowChanges(mgr.env.ofproto, conn.origin);
  try {
    addRule(changes, added, mgr.env.nowMs());
  } catch (error) {
    changes.revert();
    if (error instanceof OfpError) return false;
    throw error;
  }
  conn.flowMods.count('add');
  mgr.commit(changes, conn, dv.getUint32(at + 4));
  return true;
}
