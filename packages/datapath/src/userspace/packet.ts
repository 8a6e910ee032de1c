/** A packet on its way through an action list: copied on the first change, not before. */
import {
  copyTunnel,
  decodeNsh,
  ETH_HEADER_LEN,
  ETH_P_8021AD,
  ETH_P_8021Q,
  ETH_P_MPLS_MC,
  ETH_P_MPLS_UC,
  ETH_P_NSH,
  ETH_P_TEB,
  encodeNsh,
  extractFlow,
  Flow,
  isTunnelled,
  NSH_BASE_LEN,
  type NshHeader,
  PacketLayout,
  rewriteNsh,
  VLAN_CFI,
  VLAN_HEADER_LEN,
} from '@heddle/packet';
import { type CtMetadata, putMetadata, takeMetadata } from '../conntrack/metadata.ts';
import type { VnetHdr } from '../dpif.ts';
import { type Rewritable, rewrite } from './rewrite.ts';

const VLAN_AT = 12;
const MPLS_LEN = 4;
const ETHERTYPE = 0x1_0000;
const IS_ETHERNET = 0;
/** RFC 8300, section 2.2: what an NSH carries. */
const NSH_NEXT: ReadonlyMap<number, number> = new Map([
  [1, ETHERTYPE | 0x0800],
  [2, ETHERTYPE | 0x86dd],
  [3, IS_ETHERNET],
  [4, ETHERTYPE | ETH_P_NSH],
  [5, ETHERTYPE | ETH_P_MPLS_UC],
]);

/** Behind the Ethernet header and its tags, of which so many count. */
function payloadOffset(frame: Uint8Array, tags = Number.POSITIVE_INFINITY): number {
  let at = ETH_HEADER_LEN;
  for (let n = 0; n < tags && at + VLAN_HEADER_LEN <= frame.length; n++) {
    const type = (frame[at - 2]! << 8) | frame[at - 1]!;
    if (type !== ETH_P_8021Q && type !== ETH_P_8021AD) break;
    at += VLAN_HEADER_LEN;
  }
  return at;
}

export class Packet implements Rewritable {
  /**
   * As extracted when rewriting began. Tags pushed and popped since only moved the headers: what
   * the actions mean by `ipv4` stays the same however many tags lie before it.
   */
  readonly flow = new Flow();
  readonly layout = new PacketLayout();
  bytes: Uint8Array;
  /** What `bytes` begin with: 0 Ethernet, else a name space above 16 bits of type (OpenFlow 1.5, 7.2.3.12). */
  packetType = IS_ETHERNET;
  /** Offload state, its offsets those of `bytes`. */
  vnet: VnetHdr | undefined;
  inPort: number;
  recircId: number;
  pktMark: number;
  /** What a `hash` action has left for the next lookup. */
  dpHash = 0;
  /** Lookups after the first. */
  depth = 0;
  /** What connection tracking has found; undefined for a packet that has not been there. */
  ct: CtMetadata | undefined;
  /** The tunnel that it came by. */
  tunnel: Flow | undefined;
  #dv: DataView | undefined;
  #owned = false;
  #extracted = false;

  /** `md` may be a flow: what it tells of connection tracking holds for the packet, too. */
  constructor(
    bytes: Uint8Array,
    md: Flow | { inPort: number; recircId: number; pktMark: number; dpHash?: number },
    vnet?: VnetHdr,
  ) {
    // A Buffer's slice() shares its memory, where copies are meant.
    this.bytes = Buffer.isBuffer(bytes)
      ? new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length)
      : bytes;
    this.vnet = vnet;
    if (md instanceof Flow && md.ctState !== 0) this.ct = takeMetadata(md);
    if (md instanceof Flow && isTunnelled(md)) this.tunnel = md.clone();
    this.inPort = md.inPort;
    this.recircId = md.recircId;
    this.pktMark = md.pktMark;
    this.dpHash = md.dpHash ?? 0;
  }

  get dv(): DataView {
    this.#dv ??= new DataView(this.bytes.buffer, this.bytes.byteOffset, this.bytes.byteLength);
    return this.#dv;
  }

  /** Where a checksum is that covers the pseudo-header only so far; -1: it is complete. */
  get partialCsum(): number {
    const { vnet } = this;
    return vnet === undefined || (vnet.flags & 1) === 0 ? -1 : vnet.csumStart + vnet.csumOffset;
  }

  /** The key of the packet as it is now. */
  key(): Flow {
    if (this.packetType === IS_ETHERNET) {
      extractFlow(this.bytes, this, this.flow, this.layout);
    } else this.#extractBare();
    if (this.ct) putMetadata(this.flow, this.ct);
    if (this.tunnel) copyTunnel(this.tunnel, this.flow);
    this.flow.dpHash = this.dpHash;
    this.#extracted = true;
    return this.flow;
  }

  /** Makes the bytes its own, to be changed. */
  own(): void {
    if (!this.#owned) this.#replace(this.bytes.slice());
  }

  replace(bytes: Uint8Array): void {
    this.#replace(bytes);
    this.#extracted = false;
  }

  clone(): Packet {
    const { inPort, recircId, pktMark, dpHash, vnet } = this;
    const md = { inPort, recircId, pktMark, dpHash };
    const copy = new Packet(this.bytes.slice(), md, vnet && { ...vnet });
    copy.#owned = true;
    copy.depth = this.depth;
    copy.packetType = this.packetType;
    copy.ct = this.ct;
    copy.tunnel = this.tunnel;
    return copy;
  }

  /** Another packet, complete, that holds this one: nothing that was known of this one is of it. */
  wrap(bytes: Uint8Array): void {
    this.#replace(bytes);
    this.packetType = IS_ETHERNET;
    this.vnet = undefined;
    this.ct = undefined;
    this.tunnel = undefined;
    this.#extracted = false;
  }

  pushVlan(tpid: number, tci: number): void {
    const old = this.bytes;
    this.#extractOnce();
    this.#replace(new Uint8Array(old.length + VLAN_HEADER_LEN));
    this.bytes.set(old.subarray(0, VLAN_AT));
    this.bytes.set(old.subarray(VLAN_AT), VLAN_AT + VLAN_HEADER_LEN);
    this.dv.setUint16(VLAN_AT, tpid);
    this.dv.setUint16(VLAN_AT + 2, tci & ~VLAN_CFI);
    this.#moveHeaders(VLAN_HEADER_LEN);
  }

  /** A frame without a tag stays as it is. */
  popVlan(): void {
    const old = this.bytes;
    if (old.length < ETH_HEADER_LEN + VLAN_HEADER_LEN) return;
    const tpid = this.dv.getUint16(VLAN_AT);
    if (tpid !== ETH_P_8021Q && tpid !== ETH_P_8021AD) return;
    this.#extractOnce();
    this.#replace(new Uint8Array(old.length - VLAN_HEADER_LEN));
    this.bytes.set(old.subarray(0, VLAN_AT));
    this.bytes.set(old.subarray(VLAN_AT + VLAN_HEADER_LEN), VLAN_AT);
    this.#moveHeaders(-VLAN_HEADER_LEN);
  }

  /** An Ethernet header before a packet that has none. */
  pushEth(src: number, dst: number): void {
    if (this.packetType === IS_ETHERNET) return;
    const old = this.bytes;
    this.#replace(new Uint8Array(ETH_HEADER_LEN + old.length));
    this.bytes.set(old, ETH_HEADER_LEN);
    for (const [at, mac] of [
      [0, dst],
      [6, src],
    ] as const) {
      this.dv.setUint16(at, Math.floor(mac / 2 ** 32));
      this.dv.setUint32(at + 2, mac >>> 0);
    }
    this.dv.setUint16(VLAN_AT, this.packetType & 0xffff);
    this.packetType = IS_ETHERNET;
    this.#reshape(ETH_HEADER_LEN);
  }

  popEth(): void {
    const { bytes } = this;
    if (this.packetType !== IS_ETHERNET || bytes.length < ETH_HEADER_LEN) return;
    this.packetType = ETHERTYPE | this.dv.getUint16(VLAN_AT);
    this.#cut(ETH_HEADER_LEN);
  }

  /** Before the packet, whatever it begins with. */
  pushNsh(header: NshHeader, metadata?: Uint8Array): void {
    this.#prepend(encodeNsh(header, metadata));
    this.packetType = ETHERTYPE | ETH_P_NSH;
  }

  /** A packet that is not one stays as it is. */
  popNsh(): void {
    const found = this.packetType === (ETHERTYPE | ETH_P_NSH) ? decodeNsh(this.bytes) : undefined;
    const next = found && NSH_NEXT.get(found.header.np);
    if (!found || next === undefined || found.length < NSH_BASE_LEN) return;
    this.packetType = next;
    this.#cut(found.length);
  }

  setNsh(header: NshHeader, mask: NshHeader): void {
    const at = this.packetType === IS_ETHERNET ? payloadOffset(this.bytes) : 0;
    const type =
      this.packetType === IS_ETHERNET ? this.dv.getUint16(at - 2) : this.packetType & 0xffff;
    if (type !== ETH_P_NSH) return;
    this.own();
    rewriteNsh(this.bytes.subarray(at), header, mask);
  }

  /** A label before the packet, whatever it begins with. */
  addMpls(lse: number, ethertype: number): void {
    const label = new Uint8Array(MPLS_LEN);
    new DataView(label.buffer).setUint32(0, lse);
    this.#prepend(label);
    this.packetType = ETHERTYPE | ethertype;
  }

  #prepend(header: Uint8Array): void {
    const old = this.bytes;
    this.#replace(new Uint8Array(header.length + old.length));
    this.bytes.set(header);
    this.bytes.set(old, header.length);
    this.#reshape(header.length);
  }

  /** Takes bytes from the front. */
  #cut(length: number): void {
    this.#replace(this.bytes.slice(length));
    this.#reshape(-length);
  }

  /** A label stack entry goes between the Ethernet header with its tags and the rest. */
  pushMpls(lse: number, ethertype: number, tags?: number): void {
    if (this.packetType !== IS_ETHERNET) {
      this.addMpls(lse, ethertype);
      return;
    }
    const at = payloadOffset(this.bytes, tags);
    const old = this.bytes;
    if (at > old.length) return;
    this.#replace(new Uint8Array(old.length + MPLS_LEN));
    this.bytes.set(old.subarray(0, at));
    this.bytes.set(old.subarray(at), at + MPLS_LEN);
    this.dv.setUint16(at - 2, ethertype);
    this.dv.setUint32(at, lse);
    this.#reshape(MPLS_LEN);
  }

  /** A packet without a label stays as it is. */
  popMpls(ethertype: number): void {
    const at = this.#lseOffset();
    if (at === undefined) return;
    if (at === 0) {
      this.packetType = ethertype === ETH_P_TEB ? IS_ETHERNET : ETHERTYPE | ethertype;
      this.#cut(MPLS_LEN);
      return;
    }
    const old = this.bytes;
    this.#replace(new Uint8Array(old.length - MPLS_LEN));
    this.bytes.set(old.subarray(0, at));
    this.bytes.set(old.subarray(at + MPLS_LEN), at);
    this.dv.setUint16(at - 2, ethertype);
    this.#reshape(-MPLS_LEN);
  }

  setMpls(lse: number, mask: number): void {
    const at = this.#lseOffset();
    if (at === undefined) return;
    this.own();
    this.dv.setUint32(at, ((this.dv.getUint32(at) & ~mask) | (lse & mask)) >>> 0);
  }

  set(key: Flow, mask: Flow): void {
    this.pktMark = ((this.pktMark & ~mask.pktMark) | (key.pktMark & mask.pktMark)) >>> 0;
    this.own();
    this.#extractOnce();
    rewrite(this, key, mask);
  }

  recirculate(id: number): void {
    this.recircId = id;
    this.depth++;
  }

  #lseOffset(): number | undefined {
    const isEthernet = this.packetType === IS_ETHERNET;
    const at = isEthernet ? payloadOffset(this.bytes) : 0;
    if (at + MPLS_LEN > this.bytes.length) return undefined;
    const type = isEthernet ? this.dv.getUint16(at - 2) : this.packetType & 0xffff;
    return type === ETH_P_MPLS_UC || type === ETH_P_MPLS_MC ? at : undefined;
  }

  /** Other headers are within reach now. */
  #reshape(by: number): void {
    this.#extracted = false;
    if (this.vnet === undefined) return;
    this.vnet.csumStart += by;
    this.vnet.hdrLen += by;
  }

  /** The key of a packet without Ethernet header: as if it had an empty one. */
  #extractBare(): void {
    const { bytes, layout } = this;
    const frame = new Uint8Array(ETH_HEADER_LEN + bytes.length);
    frame[VLAN_AT] = (this.packetType >>> 8) & 0xff;
    frame[VLAN_AT + 1] = this.packetType & 0xff;
    frame.set(bytes, ETH_HEADER_LEN);
    extractFlow(frame, this, this.flow, layout);
    this.flow.packetType = this.packetType;
    if (layout.l3 >= 0) layout.l3 -= ETH_HEADER_LEN;
    if (layout.l4 >= 0) layout.l4 -= ETH_HEADER_LEN;
    layout.end -= ETH_HEADER_LEN;
  }

  #extractOnce(): void {
    if (!this.#extracted) this.key();
  }

  #moveHeaders(by: number): void {
    const { layout } = this;
    if (layout.l3 >= 0) layout.l3 += by;
    if (layout.l4 >= 0) layout.l4 += by;
    layout.end += by;
    if (this.vnet === undefined) return;
    this.vnet.csumStart += by;
    this.vnet.hdrLen += by;
  }

  #replace(bytes: Uint8Array): void {
    this.bytes = bytes;
    this.#dv = undefined;
    this.#owned = true;
  }
}
