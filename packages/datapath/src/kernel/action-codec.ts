/** Actions to and from the programs' 24-byte slots (struct act in bpf/datapath.h). */
import { Flow } from '@heddle/packet';
import { SystemError } from '@heddle/runtime';
import type { OdpAction } from '../odp-actions.ts';
import * as L from './layout.ts';
import { decodeSet, encodeSet } from './set-codec.ts';

/** Names for what programs know by number. */
export interface ActionNames {
  userdataId(bytes: Uint8Array): number;
  userdata(id: number): Uint8Array;
  dropId(reason: string): number;
  dropReason(id: number): string;
}

export function makeAct(type: number, a16 = 0, a32 = 0): Buffer {
  const act = Buffer.alloc(L.ACT_BYTES);
  act.writeUInt16LE(type, 0);
  act.writeUInt16LE(a16, 2);
  act.writeUInt32LE(a32 >>> 0, 4);
  return act;
}

/** `key` is the packet's: it tells what the bytes of a `set` belong to. */
export function encodeActions(
  actions: readonly OdpAction[],
  key: Flow,
  names: ActionNames,
): Buffer[] {
  const out: Buffer[] = [];
  for (let i = 0; i < actions.length; i++) {
    const last = i === actions.length - 1;
    const run = last ? 0 : outputRun(actions, i);
    if (run > 1) {
      out.push(encodeMany(actions, i, run));
      i += run - 1;
    } else {
      out.push(...encodeOne(actions[i]!, last, key, names));
    }
  }
  return out;
}

/** How many outputs from `i` on fit one slot; the list's last action stands alone. */
function outputRun(actions: readonly OdpAction[], i: number): number {
  let n = 0;
  while (n < L.OUTN_PORTS && i + n < actions.length - 1 && actions[i + n]!.type === 'output') n++;
  return n;
}

function encodeMany(actions: readonly OdpAction[], i: number, n: number): Buffer {
  const act = makeAct(L.A_OUTN, n);
  for (let j = 0; j < n; j++) {
    const a = actions[i + j]!;
    if (a.type === 'output') act.writeUInt16LE(a.port, 4 + 2 * j);
  }
  return act;
}

function encodeOne(a: OdpAction, last: boolean, key: Flow, names: ActionNames): Buffer[] {
  switch (a.type) {
    case 'output':
      return [makeAct(L.A_OUT, last ? 1 : 0, a.port)];
    case 'push_vlan': {
      const tpid = ((a.tpid & 0xff) << 8) | (a.tpid >>> 8);
      return [makeAct(L.A_PUSH_VLAN, tpid, a.tci & 0xefff)];
    }
    case 'pop_vlan':
      return [makeAct(L.A_POP_VLAN)];
    case 'set':
      return encodeSet(a.key, a.mask, key);
    case 'userspace':
      return [makeAct(L.A_USERSPACE, 0, names.userdataId(a.userdata))];
    case 'recirc':
      return [makeAct(L.A_RECIRC, last ? 1 : 0, a.id)];
    case 'trunc':
      return [makeAct(L.A_TRUNC, 0, a.maxLen)];
    case 'drop':
      if (!last) throw new SystemError('EINVAL', 'drop is not the last action');
      return [makeAct(L.A_DROP, 0, names.dropId(a.reason))];
    default:
      throw new SystemError('EOPNOTSUPP', `action ${a.type}`);
  }
}

export function decodeActions(acts: readonly Buffer[], names: ActionNames): OdpAction[] {
  const out: OdpAction[] = [];
  let set: { key: Flow; mask: Flow } | undefined;
  for (const act of acts) {
    const type = act.readUInt16LE(0);
    if (type >= L.A_SET_MARK) {
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
      return [{ type: 'userspace', userdata: names.userdata(a32) }];
    case L.A_TRUNC:
      return [{ type: 'trunc', maxLen: a32 }];
    case L.A_DROP:
      return [{ type: 'drop', reason: names.dropReason(a32) }];
  }
  throw new SystemError('EINVAL', `unknown action ${type} in the kernel`);
}
