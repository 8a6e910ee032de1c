/** `ct` actions and the ct_* fields as the programs take them (bpf/ct-maps.h, bpf/conntrack.h). */
import { ETH_P_IPV6, type Flow } from '@heddle/packet';
import { SystemError } from '@heddle/runtime';
import { isIcmp } from '../conntrack/tuple.ts';
import type { OdpAction, OdpCtAction, OdpNat } from '../odp-actions.ts';
import * as L from './layout.ts';

const CTF_COMMIT = 1;
const CTF_FORCE = 2;
const CTF_NAT = 4;
const CTF_SRC = 8;
const CTF_DST = 16;
const CTF_RANDOM = 32;
/** For the daemon's eyes only: what the programs treat alike. */
const CTF_PERSISTENT = 64;
const CTF_HASH = 128;
const CTF_V6 = 256;
const CTF_HELPER = 512;
const CTF_FTP = 1024;
const CTF_TFTP = 2048;

/** Appends a slot and returns its 16 bytes. */
type Append = (type: number, a16: number, a32: number) => Buffer;

export function encodeCt(a: OdpCtAction, append: Append): void {
  if (a.mark) append(L.A_CT_MARK, 0, a.mark.value).writeUInt32LE(a.mark.mask >>> 0, 0);
  if (a.label) {
    put128(append(L.A_CT_LABEL, 0, 0), a.label.value);
    put128(append(L.A_CT_LABEL_MASK, 0, 0), a.label.mask);
  }
  const { nat } = a;
  if (nat?.min !== undefined) putAddress(append, nat);
  const b = append(L.A_CT, flagsOf(a), (a.zone | ((a.timeout ?? 0) << 16)) >>> 0);
  if (nat?.portMin) {
    b.writeUInt16LE(nat.portMin, 0);
    b.writeUInt16LE(nat.portMax ?? nat.portMin, 2);
  }
  if (a.helper !== undefined) b.write(a.helper, 4, 12, 'latin1');
}

function flagsOf({ commit, force, nat, helper }: OdpCtAction): number {
  return (
    (commit ? CTF_COMMIT : 0) |
    (force ? CTF_FORCE : 0) |
    (helper === undefined ? 0 : CTF_HELPER) |
    (helper === 'ftp' ? CTF_FTP : helper === 'tftp' ? CTF_TFTP : 0) |
    (nat ? CTF_NAT | natFlags(nat) : 0)
  );
}

function natFlags(nat: OdpNat): number {
  return (
    (nat.direction === 'src' ? CTF_SRC : nat.direction === 'dst' ? CTF_DST : 0) |
    (nat.random ? CTF_RANDOM : 0) |
    (nat.persistent ? CTF_PERSISTENT : 0) |
    (nat.hash ? CTF_HASH : 0) |
    (nat.family === 6 ? CTF_V6 : 0)
  );
}

function putAddress(append: Append, nat: OdpNat): void {
  const min = nat.min!;
  const span = (nat.max ?? min) - min;
  const b = append(L.A_CT_NAT, 0, Number(span < 0xffff_ffffn ? span : 0xffff_ffffn));
  const bytes = nat.family === 6 ? 16 : 4;
  for (let i = 0; i < bytes; i++) b[i] = Number((min >> BigInt(8 * (bytes - 1 - i))) & 0xffn);
}

/** Puts the slots of a `ct` together again. */
export class CtDecoder {
  #mark: OdpCtAction['mark'];
  #label = 0n;
  #labelMask: bigint | undefined;
  #address: { bytes: Buffer; span: number } | undefined;

  /** The action, when its last slot has come. */
  take(type: number, act: Buffer): OdpAction | undefined {
    const a32 = act.readUInt32LE(4);
    const b = act.subarray(8);
    switch (type) {
      case L.A_CT_MARK:
        this.#mark = { value: a32, mask: b.readUInt32LE(0) };
        return undefined;
      case L.A_CT_LABEL:
        this.#label = get128(b);
        return undefined;
      case L.A_CT_LABEL_MASK:
        this.#labelMask = get128(b);
        return undefined;
      case L.A_CT_NAT:
        this.#address = { bytes: Buffer.from(b), span: a32 };
        return undefined;
      case L.A_CT_CLEAR:
        return { type: 'ct_clear' };
      case L.A_CT:
        return this.#finish(act.readUInt16LE(2), a32, b);
    }
    throw new SystemError('EINVAL', `unknown action ${type} in the kernel`);
  }

  /** `zone`: the timeout policy in its upper half. */
  #finish(flags: number, zone: number, b: Buffer): OdpCtAction {
    const helper = b.toString('latin1', 4, 16).replace(/\0.*$/s, '');
    const action: OdpCtAction = {
      type: 'ct',
      commit: (flags & CTF_COMMIT) !== 0,
      force: (flags & CTF_FORCE) !== 0,
      zone: zone & 0xffff,
      ...(zone >>> 16 !== 0 && { timeout: zone >>> 16 }),
      ...(this.#mark && { mark: this.#mark }),
      ...(this.#labelMask !== undefined && {
        label: { value: this.#label, mask: this.#labelMask },
      }),
      ...(flags & CTF_HELPER && { helper }),
      ...(flags & CTF_NAT && { nat: this.#nat(flags, b) }),
    };
    this.#mark = undefined;
    this.#labelMask = undefined;
    this.#address = undefined;
    return action;
  }

  #nat(flags: number, b: Buffer): OdpNat {
    const address = this.#address;
    const family = flags & CTF_V6 ? 6 : 4;
    const min = address && be(address.bytes.subarray(0, family === 6 ? 16 : 4));
    const [portMin, portMax] = [b.readUInt16LE(0), b.readUInt16LE(2)];
    return {
      ...(flags & CTF_SRC && { direction: 'src' as const }),
      ...(flags & CTF_DST && { direction: 'dst' as const }),
      ...(min !== undefined && { family, min, max: min + BigInt(address!.span) }),
      ...(portMin !== 0 && { portMin, portMax }),
      ...(flags & CTF_RANDOM && { random: true }),
      ...(flags & CTF_PERSISTENT && { persistent: true }),
      ...(flags & CTF_HASH && { hash: true }),
    };
  }
}

function be(bytes: Buffer): bigint {
  return BigInt(`0x${bytes.toString('hex')}`);
}

/** As in the flow key: 32-bit words in the host's order, the lowest first. */
export function put128(b: Buffer, v: bigint): void {
  for (let i = 0; i < 4; i++) b.writeUInt32LE(Number((v >> BigInt(32 * i)) & 0xffff_ffffn), 4 * i);
}

export function get128(b: Buffer): bigint {
  let v = 0n;
  for (let i = 3; i >= 0; i--) v = (v << 32n) | BigInt(b.readUInt32LE(4 * i));
  return v;
}

/** struct ct_md */
export function putCtMetadata(b: Buffer, at: number, flow: Flow): void {
  b.fill(0, at, at + 64);
  b.writeUInt16LE(flow.ctState, at);
  b.writeUInt16LE(flow.ctZone, at + 2);
  b.writeUInt32LE(flow.ctMark, at + 4);
  put128(b.subarray(at + 8, at + 24), flow.ctLabel);
  if (flow.ctNwProto === 0) return;
  const v6 = flow.dlType === ETH_P_IPV6;
  if (v6) {
    b.set(flow.ctIpv6Src, at + 24);
    b.set(flow.ctIpv6Dst, at + 40);
  } else {
    b.writeUInt32BE(flow.ctNwSrc, at + 24);
    b.writeUInt32BE(flow.ctNwDst, at + 40);
  }
  const icmp = isIcmp({ dlType: flow.dlType, proto: flow.ctNwProto });
  if (!icmp) {
    b.writeUInt16BE(flow.ctTpSrc, at + 56);
    b.writeUInt16BE(flow.ctTpDst, at + 58);
  }
  b[at + 60] = flow.ctNwProto;
  b[at + 61] = v6 ? 1 : 0;
  b[at + 62] = icmp ? flow.ctTpSrc : 0;
}
