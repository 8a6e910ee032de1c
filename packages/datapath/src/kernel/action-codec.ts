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
  used = 0;
  for (let i = 0; i < actions.length; i++) {
    const last = i === actions.length - 1;
    const run = last ? 0 : outputRun(actions, i);
    if (run > 1) {
      encodeMany(actions, i, run);
      i += run - 1;
    } else {
      encodeOne(actions[i]!, last, key, names);
    }
  }
  return Buffer.from(bytes.subarray(0, used));
}

/** Appends an action; returns where it is. */
function append(type: number, a16 = 0, a32 = 0): number {
  if (used === bytes.length) bytes = Buffer.concat([bytes, Buffer.alloc(bytes.length)]);
  const at = used;
  used += L.ACT_BYTES;
  bytes.fill(0, at + 8, used);
  bytes.writeUInt16LE(type, at);
  bytes.writeUInt16LE(a16, at + 2);
  bytes.writeUInt32LE(a32 >>> 0, at + 4);
  return at;
}

/** How many outputs from `i` on fit one slot; the list's last action stands alone. */
function outputRun(actions: readonly OdpAction[], i: number): number {
  let n = 0;
  while (n < L.OUTN_PORTS && i + n < actions.length - 1 && actions[i + n]!.type === 'output') n++;
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

export function decodeActions(acts: Buffer, names: ActionNames): OdpAction[] {
  const out: OdpAction[] = [];
  let tunnel: Flow | undefined;
  const ct = new CtDecoder();
  let set: { key: Flow; mask: Flow } | undefined;
  let meter: number | undefined;
  for (const act of splitActs(acts)) {
    const type = act.readUInt16LE(0);
    if (type === L.A_METER && act.readUInt16LE(2) > 0) {
      meter = act.readUInt32LE(4);
    } else if (meter !== undefined) {
      out.push(asMeteredUpcall(meter, decodeOne(type, act, names)));
      meter = undefined;
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
      set ??= { key: new Flow(), mask: new Flow() };
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

function decodeOne(type: number, act: Buffer, names: ActionNames): OdpAction[] {
  const a16 = act.readUInt16LE(2);
  const a32 = act.readUInt32LE(4);
  switch (type) {
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
      return [{ type: 'drop', reason: names.dropReason(a32) }];
  }
  throw new SystemError('EINVAL', `unknown action ${type} in the kernel`);
}

function decodeUserspace(userdata: Uint8Array, isSample: number, act: Buffer): OdpAction {
  const action: OdpAction = { type: 'userspace', userdata };
  if (isSample === 0) return action;
  return { type: 'sample', probability: act.readUInt32LE(8), actions: [action] };
}
