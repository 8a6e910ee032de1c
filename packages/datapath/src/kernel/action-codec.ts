/** Actions to and from the programs' 24-byte slots (struct act in bpf/datapath.h). */
import { Flow } from '@heddle/packet';
import { SystemError } from '@heddle/runtime';
import { asMeteredUpcall, meteredUpcall } from '../metered-upcall.ts';
import type { OdpAction } from '../odp-actions.ts';
import { CtDecoder, encodeCt } from './ct-codec.ts';
import * as L from './layout.ts';
import { decodeSet, encodeSet } from './set-codec.ts';
import { decodeSetTunnel, encodeSetTunnel } from './tunnel-codec.ts';

/** Names for what programs know by number. */
export interface ActionNames {
  /** Options that the key only has a digest of. */
  enterTunnelOptions(key: Flow): void;
  userdataId(bytes: Uint8Array): number;
  userdata(id: number): Uint8Array;
  dropId(reason: string): number;
  dropReason(id: number): string;
}

/** Where lists are put together, one at a time. */
let bytes = Buffer.alloc(64 * L.ACT_BYTES);
let used = 0;

/** `key` is the packet's: it tells what the bytes of a `set` belong to. */
export function encodeActions(
  actions: readonly OdpAction[],
  key: Flow,
  names: ActionNames,
): Buffer {
  if (actions === last?.actions && names === last.names) return last.list;
  used = 0;
  encodeList(actions, true, key, names);
  const list = kept();
  if (actions.every(isSame)) last = { actions, names, list };
  return list;
}

/** A flow is put with the actions that its packet is sent through. */
let last: { actions: readonly OdpAction[]; names: ActionNames; list: Buffer } | undefined;

/** Whether it does the same to packets of all keys. */
function isSame({ type }: OdpAction): boolean {
  return type === 'output' || type === 'drop' || type === 'push_vlan' || type === 'pop_vlan';
}

/** `isFinal`: nothing is done to the packet after the list. */
function encodeList(
  actions: readonly OdpAction[],
  isFinal: boolean,
  key: Flow,
  names: ActionNames,
): void {
  const end = isFinal ? actions.length - 1 : actions.length;
  for (let i = 0; i < actions.length; i++) {
    const run = outputRun(actions, i, end);
    if (run > 1) {
      encodeMany(actions, i, run);
      i += run - 1;
    } else if (isNested(actions[i]!)) {
      encodeNested(actions, i, i === end, key, names);
    } else {
      encodeOne(actions[i]!, i === end, key, names);
    }
  }
}

/** Lists that came last: flows are many, and most do what others do. */
const recent: Buffer[] = [];
const RECENT = 8;
let oldest = 0;

/** What was put together, in memory that nobody writes to. */
function kept(): Buffer {
  for (const known of recent) if (isUsed(known)) return known;
  const list = Buffer.allocUnsafeSlow(used);
  bytes.copy(list, 0, 0, used);
  recent[oldest] = list;
  oldest = (oldest + 1) % RECENT;
  return list;
}

function isUsed(list: Buffer): boolean {
  if (list.length !== used) return false;
  for (let i = 0; i < used; i++) if (list[i] !== bytes[i]) return false;
  return true;
}

/** Appends an action; returns where it is. */
function append(type: number, a16 = 0, a32 = 0): number {
  if (used === bytes.length) bytes = Buffer.concat([bytes, Buffer.alloc(bytes.length)]);
  const at = used;
  used += L.ACT_BYTES;
  bytes[at] = type;
  bytes[at + 1] = type >>> 8;
  bytes[at + 2] = a16;
  bytes[at + 3] = a16 >>> 8;
  bytes[at + 4] = a32;
  bytes[at + 5] = a32 >>> 8;
  bytes[at + 6] = a32 >>> 16;
  bytes[at + 7] = a32 >>> 24;
  for (let i = at + 8; i < used; i++) bytes[i] = 0;
  return at;
}

/** How many outputs from `i` to before `end` fit one slot. */
function outputRun(actions: readonly OdpAction[], i: number, end: number): number {
  let n = 0;
  while (n < L.OUTN_PORTS && i + n < end && actions[i + n]!.type === 'output') n++;
  return n;
}

function encodeMany(actions: readonly OdpAction[], i: number, n: number): void {
  const at = append(L.A_OUTN, n);
  for (let j = 0; j < n; j++) {
    const a = actions[i + j]!;
    if (a.type === 'output') bytes.writeUInt16LE(a.port, at + 4 + 2 * j);
  }
}

function encodeOne(a: OdpAction, last: boolean, key: Flow, names: ActionNames): void {
  switch (a.type) {
    case 'output':
      append(L.A_OUT, last ? 1 : 0, a.port);
      return;
    case 'push_vlan':
      append(L.A_PUSH_VLAN, ((a.tpid & 0xff) << 8) | (a.tpid >>> 8), a.tci & 0xefff);
      return;
    case 'pop_vlan':
      append(L.A_POP_VLAN);
      return;
    case 'set':
      for (const act of encodeSet(a.key, a.mask, key)) {
        const at = append(0);
        act.copy(bytes, at);
      }
      return;
    case 'set_tunnel':
      names.enterTunnelOptions(a.key);
      for (const act of encodeSetTunnel(a.key)) act.copy(bytes, append(0));
      return;
    case 'userspace':
      append(L.A_USERSPACE, 0, names.userdataId(a.userdata));
      return;
    case 'sample':
      encodeSample(a, names);
      return;
    case 'recirc':
      append(L.A_RECIRC, last ? 1 : 0, a.id);
      return;
    case 'trunc':
      append(L.A_TRUNC, 0, a.maxLen);
      return;
    case 'ct':
      encodeCt(a, (type, a16, a32) => bytes.subarray(append(type, a16, a32) + 8));
      return;
    case 'ct_clear':
      append(L.A_CT_CLEAR);
      return;
    case 'set_priority':
      append(L.A_SET_PRIORITY, 0, a.priority);
      return;
    case 'meter':
      append(L.A_METER, 0, a.id);
      return;
    case 'drop':
      if (!last) throw new SystemError('EINVAL', 'drop is not the last action');
      append(L.A_DROP, 0, names.dropId(a.reason));
      return;
  }
}

type Nested = Extract<OdpAction, { type: 'clone' | 'check_pkt_len' }>;

function isNested(a: OdpAction): a is Nested {
  return a.type === 'clone' || a.type === 'check_pkt_len';
}

function encodeNested(
  actions: readonly OdpAction[],
  i: number,
  isFinal: boolean,
  key: Flow,
  names: ActionNames,
): void {
  const a = actions[i]!;
  const cut = actions[i - 1]?.type === 'trunc';
  if (a.type === 'clone') {
    encodeClone(a.actions, { isFinal, cut }, key, names);
  } else if (a.type === 'check_pkt_len') {
    const at = append(L.A_CHECK_LEN, 0, a.size);
    bytes[at + 8] = isFinal ? 1 : 0;
    const start = used;
    if (isFinal) {
      encodeLast(a.greater, key, names);
      append(L.A_END);
      setCount(at, start);
      encodeLast(a.lessEqual, key, names);
    } else {
      if (a.greater.length > 0) encodeClone(a.greater, { isFinal, cut }, key, names);
      const skip = append(L.A_SKIP);
      setCount(at, start);
      const from = used;
      if (a.lessEqual.length > 0) encodeClone(a.lessEqual, { isFinal, cut }, key, names);
      setCount(skip, from);
    }
  }
}

/** An empty list drops. */
function encodeLast(actions: readonly OdpAction[], key: Flow, names: ActionNames): void {
  if (actions.length === 0) append(L.A_DROP, 0, L.DROP_NONE);
  else encodeList(actions, true, key, names);
}

/** `cut`: a `trunc` before it is meant for what follows. */
function encodeClone(
  actions: readonly OdpAction[],
  { isFinal, cut }: { isFinal: boolean; cut: boolean },
  key: Flow,
  names: ActionNames,
): void {
  const changesNothing = actions.every((a) => a.type === 'output' || a.type === 'userspace');
  const isCopied = cut || !(isFinal || changesNothing);
  const at = append(L.A_CLONE, 0, isCopied ? 0 : 1);
  const start = used;
  if (isCopied || isFinal) encodeLast(actions, key, names);
  else encodeList(actions, false, key, names);
  if (isCopied) append(L.A_END);
  setCount(at, start);
}

/** The list from `start` on belongs to the action at `at`. */
function setCount(at: number, start: number): void {
  const count = (used - start) / L.ACT_BYTES;
  if (count > 0xffff) throw new SystemError('E2BIG', 'too many actions');
  bytes.writeUInt16LE(count, at + 2);
}

/** What is sampled goes to the daemon: nothing else is asked for. */
function encodeSample(sample: Extract<OdpAction, { type: 'sample' }>, names: ActionNames): void {
  const { probability, actions } = sample;
  const metered = meteredUpcall(sample);
  if (metered) {
    append(L.A_METER, 1, metered.meter);
    append(L.A_USERSPACE, 0, names.userdataId(metered.userdata));
    return;
  }
  const [only] = actions;
  if (only?.type !== 'userspace' || actions.length > 1) {
    throw new SystemError('EOPNOTSUPP', 'sample of more than one userspace action');
  }
  const at = append(L.A_USERSPACE, 1, names.userdataId(only.userdata));
  bytes.writeUInt32LE(Math.min(probability, 0xffff_ffff), at + 8);
}

/** The actions of an encoded list. */
export function* splitActs(acts: Buffer): Generator<Buffer> {
  for (let at = 0; at < acts.length; at += L.ACT_BYTES) yield acts.subarray(at, at + L.ACT_BYTES);
}

/** `flow` is that of the list: it tells what the bytes of a `set` belong to. */
export function decodeActions(acts: Buffer, flow: Flow, names: ActionNames): OdpAction[] {
  const out: OdpAction[] = [];
  let tunnel: Flow | undefined;
  const ct = new CtDecoder();
  let set: { key: Flow; mask: Flow } | undefined;
  let meter: number | undefined;
  for (let at = 0; at < acts.length; at += L.ACT_BYTES) {
    const act = acts.subarray(at, at + L.ACT_BYTES);
    const type = act.readUInt16LE(0);
    if (type === L.A_METER && act.readUInt16LE(2) > 0) {
      meter = act.readUInt32LE(4);
    } else if (meter !== undefined) {
      out.push(asMeteredUpcall(meter, decodeOne(type, act, names)));
      meter = undefined;
    } else if (type === L.A_CLONE || type === L.A_CHECK_LEN) {
      const nested = decodeNested(acts.subarray(at), flow, names);
      out.push(nested.action);
      at += nested.length - L.ACT_BYTES;
    } else if (type === L.A_SET_TUNNEL) {
      tunnel ??= new Flow();
      if (decodeSetTunnel(act, tunnel)) {
        out.push({ type: 'set_tunnel', key: tunnel });
        tunnel = undefined;
      }
    } else if (type >= L.A_CT) {
      const tracked = ct.take(type, act);
      if (tracked) out.push(tracked);
    } else if (type >= L.A_SET_MARK && type < L.A_SET_PRIORITY) {
      set ??= { key: headersOf(flow), mask: new Flow() };
      if (decodeSet(act, set.key, set.mask)) {
        out.push({ type: 'set', ...set });
        set = undefined;
      }
    } else {
      out.push(...decodeOne(type, act, names));
    }
  }
  return out;
}

function headersOf(flow: Flow): Flow {
  const key = new Flow();
  key.dlType = flow.dlType;
  key.nwProto = flow.nwProto;
  return key;
}

/** The action that `acts` begins with, and the bytes that it takes. */
function decodeNested(
  acts: Buffer,
  flow: Flow,
  names: ActionNames,
): { action: OdpAction; length: number } {
  const start = L.ACT_BYTES;
  const end = start + acts.readUInt16LE(2) * L.ACT_BYTES;
  const first = acts.subarray(start, end);
  const size = acts.readUInt32LE(4);
  if (acts.readUInt16LE(0) === L.A_CLONE) {
    return { action: { type: 'clone', actions: decodeActions(first, flow, names) }, length: end };
  }
  const isFinal = acts[8] === 1;
  const skip = isFinal ? 0 : acts.readUInt16LE(end - L.ACT_BYTES + 2) * L.ACT_BYTES;
  const length = isFinal ? acts.length : end + skip;
  const [greater, lessEqual] = [first.subarray(0, -L.ACT_BYTES), acts.subarray(end, length)].map(
    (list) => {
      const actions = decodeActions(list, flow, names);
      const [copied] = actions;
      return !isFinal && copied?.type === 'clone' ? copied.actions : actions;
    },
  );
  return {
    action: { type: 'check_pkt_len', size, greater: greater!, lessEqual: lessEqual! },
    length,
  };
}

function decodeOne(type: number, act: Buffer, names: ActionNames): OdpAction[] {
  const a16 = act.readUInt16LE(2);
  const a32 = act.readUInt32LE(4);
  switch (type) {
    case L.A_END:
      return [];
    case L.A_OUT:
      return [{ type: 'output', port: a32 }];
    case L.A_OUTN:
      return Array.from({ length: a16 }, (_, j) => ({
        type: 'output' as const,
        port: act.readUInt16LE(4 + 2 * j),
      }));
    case L.A_PUSH_VLAN: {
      const tpid = ((a16 & 0xff) << 8) | (a16 >>> 8);
      return [{ type: 'push_vlan', tpid, tci: a32 | 0x1000 }];
    }
    case L.A_POP_VLAN:
      return [{ type: 'pop_vlan' }];
    case L.A_RECIRC:
      return [{ type: 'recirc', id: a32 }];
    case L.A_USERSPACE:
      return [decodeUserspace(names.userdata(a32), a16, act)];
    case L.A_TRUNC:
      return [{ type: 'trunc', maxLen: a32 }];
    case L.A_SET_PRIORITY:
      return [{ type: 'set_priority', priority: a32 }];
    case L.A_METER:
      return [{ type: 'meter', id: a32 }];
    case L.A_DROP:
      if (a32 === L.DROP_NONE) return [];
      return [{ type: 'drop', reason: names.dropReason(a32) }];
  }
  throw new SystemError('EINVAL', `unknown action ${type} in the kernel`);
}

function decodeUserspace(userdata: Uint8Array, isSample: number, act: Buffer): OdpAction {
  const action: OdpAction = { type: 'userspace', userdata };
  if (isSample === 0) return action;
  return { type: 'sample', probability: act.readUInt32LE(8), actions: [action] };
}
