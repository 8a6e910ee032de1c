// Generated from key-layout.ts by packages/packet/src/generate-flow.ts. Do not edit.
import { getBe32, getBe48, getBe64, getU128, setBe32, setBe48, setBe64, setU128 } from '../bytes.ts';

/**
 * Accessors over the 704 bytes of a flow, of which the first 256 are the datapath's key;
 * values are in host order.
 */
export abstract class FlowFields {
  abstract readonly u32: Uint32Array;
  abstract readonly u8: Uint8Array;

  /** 0 for a packet fresh from a port. */
  get recircId(): number {
    return this.u32[0]!;
  }
  set recircId(v: number) {
    this.u32[0] = v;
  }

  /** Datapath port. */
  get inPort(): number {
    return this.u32[1]!;
  }
  set inPort(v: number) {
    this.u32[1] = v;
  }

  /** The packet mark of the host. */
  get pktMark(): number {
    return this.u32[2]!;
  }
  set pktMark(v: number) {
    this.u32[2] = v;
  }

  /** Computed by the `hash` action. */
  get dpHash(): number {
    return this.u32[3]!;
  }
  set dpHash(v: number) {
    this.u32[3] = v;
  }

  /** Tunnel key, a bigint. */
  get tunId(): bigint {
    return getBe64(this.u8, 16);
  }
  set tunId(v: bigint) {
    setBe64(this.u8, 16, v);
  }

  /** Outer IPv6 source; IPv4 uses the first 4 bytes in the programs. */
  get tunIpv6Src(): Uint8Array {
    return this.u8.subarray(24, 40);
  }
  set tunIpv6Src(v: Uint8Array) {
    this.u8.set(v, 24);
  }

  /** Outer IPv6 destination; IPv4 uses the first 4 bytes in the programs. */
  get tunIpv6Dst(): Uint8Array {
    return this.u8.subarray(40, 56);
  }
  set tunIpv6Dst(v: Uint8Array) {
    this.u8.set(v, 40);
  }

  /** FLOW_TNL_F_* bits. */
  get tunFlags(): number {
    return this.u8[56]! | (this.u8[57]! << 8);
  }
  set tunFlags(v: number) {
    this.u8[56] = v;
    this.u8[57] = v >>> 8;
  }

  /** Outer TOS. */
  get tunTos(): number {
    return this.u8[58]!;
  }
  set tunTos(v: number) {
    this.u8[58] = v;
  }

  /** Outer TTL. */
  get tunTtl(): number {
    return this.u8[59]!;
  }
  set tunTtl(v: number) {
    this.u8[59] = v;
  }

  /** Outer UDP source port. */
  get tunTpSrc(): number {
    return (this.u8[60]! << 8) | this.u8[61]!;
  }
  set tunTpSrc(v: number) {
    this.u8[60] = v >>> 8;
    this.u8[61] = v;
  }

  /** Outer UDP destination port. */
  get tunTpDst(): number {
    return (this.u8[62]! << 8) | this.u8[63]!;
  }
  set tunTpDst(v: number) {
    this.u8[62] = v >>> 8;
    this.u8[63] = v;
  }

  /** Ethernet destination as a 48-bit number. */
  get dlDst(): number {
    return getBe48(this.u8, 64);
  }
  set dlDst(v: number) {
    setBe48(this.u8, 64, v);
  }

  /** Type inside up to two VLAN tags; 0x05ff for a frame with a length instead. */
  get dlType(): number {
    return (this.u8[70]! << 8) | this.u8[71]!;
  }
  set dlType(v: number) {
    this.u8[70] = v >>> 8;
    this.u8[71] = v;
  }

  /** Ethernet source as a 48-bit number. */
  get dlSrc(): number {
    return getBe48(this.u8, 72);
  }
  set dlSrc(v: number) {
    setBe48(this.u8, 72, v);
  }

  /** The 12 low bits of bytes 12 and 13. */
  get tcpFlags(): number {
    return (this.u8[78]! << 8) | this.u8[79]!;
  }
  set tcpFlags(v: number) {
    this.u8[78] = v >>> 8;
    this.u8[79] = v;
  }

  /** Outer tag; 0x1000 set when present. */
  get vlanTci0(): number {
    return (this.u8[80]! << 8) | this.u8[81]!;
  }
  set vlanTci0(v: number) {
    this.u8[80] = v >>> 8;
    this.u8[81] = v;
  }

  /** Type of the outer tag. */
  get vlanTpid0(): number {
    return (this.u8[82]! << 8) | this.u8[83]!;
  }
  set vlanTpid0(v: number) {
    this.u8[82] = v >>> 8;
    this.u8[83] = v;
  }

  /** Inner tag; 0x1000 set when present. */
  get vlanTci1(): number {
    return (this.u8[84]! << 8) | this.u8[85]!;
  }
  set vlanTci1(v: number) {
    this.u8[84] = v >>> 8;
    this.u8[85] = v;
  }

  /** Type of the inner tag. */
  get vlanTpid1(): number {
    return (this.u8[86]! << 8) | this.u8[87]!;
  }
  set vlanTpid1(v: number) {
    this.u8[86] = v >>> 8;
    this.u8[87] = v;
  }

  /** IPv6 source; IPv4 and ARP use the first 4 bytes. */
  get ipv6Src(): Uint8Array {
    return this.u8.subarray(88, 104);
  }
  set ipv6Src(v: Uint8Array) {
    this.u8.set(v, 88);
  }

  /** IPv4 source or ARP sender. */
  get nwSrc(): number {
    return getBe32(this.u8, 88);
  }
  set nwSrc(v: number) {
    setBe32(this.u8, 88, v);
  }

  /** IPv6 destination; IPv4 and ARP use the first 4 bytes. */
  get ipv6Dst(): Uint8Array {
    return this.u8.subarray(104, 120);
  }
  set ipv6Dst(v: Uint8Array) {
    this.u8.set(v, 104);
  }

  /** IPv4 destination or ARP target. */
  get nwDst(): number {
    return getBe32(this.u8, 104);
  }
  set nwDst(v: number) {
    setBe32(this.u8, 104, v);
  }

  /** IP protocol, or the low 8 bits of ARP op. */
  get nwProto(): number {
    return this.u8[120]!;
  }
  set nwProto(v: number) {
    this.u8[120] = v;
  }

  /** DSCP and ECN. */
  get nwTos(): number {
    return this.u8[121]!;
  }
  set nwTos(v: number) {
    this.u8[121] = v;
  }

  /** TTL or hop limit. */
  get nwTtl(): number {
    return this.u8[122]!;
  }
  set nwTtl(v: number) {
    this.u8[122] = v;
  }

  /** FLOW_NW_FRAG_ANY 1, FLOW_NW_FRAG_LATER 2. */
  get nwFrag(): number {
    return this.u8[123]!;
  }
  set nwFrag(v: number) {
    this.u8[123] = v;
  }

  /** Source port, or ICMP type. */
  get tpSrc(): number {
    return (this.u8[124]! << 8) | this.u8[125]!;
  }
  set tpSrc(v: number) {
    this.u8[124] = v >>> 8;
    this.u8[125] = v;
  }

  /** Destination port, or ICMP code. */
  get tpDst(): number {
    return (this.u8[126]! << 8) | this.u8[127]!;
  }
  set tpDst(v: number) {
    this.u8[126] = v >>> 8;
    this.u8[127] = v;
  }

  /** CS_* bits. */
  get ctState(): number {
    return this.u8[128]! | (this.u8[129]! << 8);
  }
  set ctState(v: number) {
    this.u8[128] = v;
    this.u8[129] = v >>> 8;
  }

  /** Conntrack zone. */
  get ctZone(): number {
    return this.u8[130]! | (this.u8[131]! << 8);
  }
  set ctZone(v: number) {
    this.u8[130] = v;
    this.u8[131] = v >>> 8;
  }

  /** Conntrack mark. */
  get ctMark(): number {
    return this.u32[33]!;
  }
  set ctMark(v: number) {
    this.u32[33] = v;
  }

  /** Conntrack label, a bigint. */
  get ctLabel(): bigint {
    return getU128(this.u32, 34);
  }
  set ctLabel(v: bigint) {
    setU128(this.u32, 34, v);
  }

  /** Neighbour discovery target. */
  get ndTarget(): Uint8Array {
    return this.u8.subarray(152, 168);
  }
  set ndTarget(v: Uint8Array) {
    this.u8.set(v, 152);
  }

  /** ARP sender hardware address. */
  get arpSha(): number {
    return getBe48(this.u8, 168);
  }
  set arpSha(v: number) {
    setBe48(this.u8, 168, v);
  }

  /** Source link-layer address option. */
  get ndSll(): number {
    return getBe48(this.u8, 168);
  }
  set ndSll(v: number) {
    setBe48(this.u8, 168, v);
  }

  /** ARP target hardware address. */
  get arpTha(): number {
    return getBe48(this.u8, 174);
  }
  set arpTha(v: number) {
    setBe48(this.u8, 174, v);
  }

  /** Target link-layer address option. */
  get ndTll(): number {
    return getBe48(this.u8, 174);
  }
  set ndTll(v: number) {
    setBe48(this.u8, 174, v);
  }

  /** IPv6 flow label, 20 bits. */
  get ipv6Label(): number {
    return getBe32(this.u8, 180);
  }
  set ipv6Label(v: number) {
    setBe32(this.u8, 180, v);
  }

  /** Source of the original direction. */
  get ctNwSrc(): number {
    return getBe32(this.u8, 184);
  }
  set ctNwSrc(v: number) {
    setBe32(this.u8, 184, v);
  }

  /** Destination of the original direction. */
  get ctNwDst(): number {
    return getBe32(this.u8, 188);
  }
  set ctNwDst(v: number) {
    setBe32(this.u8, 188, v);
  }

  /** Source port of the original direction. */
  get ctTpSrc(): number {
    return (this.u8[192]! << 8) | this.u8[193]!;
  }
  set ctTpSrc(v: number) {
    this.u8[192] = v >>> 8;
    this.u8[193] = v;
  }

  /** Destination port of that direction. */
  get ctTpDst(): number {
    return (this.u8[194]! << 8) | this.u8[195]!;
  }
  set ctTpDst(v: number) {
    this.u8[194] = v >>> 8;
    this.u8[195] = v;
  }

  /** Protocol of the original direction. */
  get ctNwProto(): number {
    return this.u8[196]!;
  }
  set ctNwProto(v: number) {
    this.u8[196] = v;
  }

  /** Source of the original direction. */
  get ctIpv6Src(): Uint8Array {
    return this.u8.subarray(200, 216);
  }
  set ctIpv6Src(v: Uint8Array) {
    this.u8.set(v, 200);
  }

  /** Destination of that direction. */
  get ctIpv6Dst(): Uint8Array {
    return this.u8.subarray(216, 232);
  }
  set ctIpv6Dst(v: Uint8Array) {
    this.u8.set(v, 216);
  }

  /** VXLAN group policy id. */
  get tunGbpId(): number {
    return (this.u8[232]! << 8) | this.u8[233]!;
  }
  set tunGbpId(v: number) {
    this.u8[232] = v >>> 8;
    this.u8[233] = v;
  }

  /** VXLAN group policy flags. */
  get tunGbpFlags(): number {
    return this.u8[234]!;
  }
  set tunGbpFlags(v: number) {
    this.u8[234] = v;
  }

  /** Bytes of Geneve options. */
  get tunOptsLen(): number {
    return this.u8[235]!;
  }
  set tunOptsLen(v: number) {
    this.u8[235] = v;
  }

  /** Them, or a digest of what is longer. */
  get tunOpts(): Uint8Array {
    return this.u8.subarray(236, 248);
  }
  set tunOpts(v: Uint8Array) {
    this.u8.set(v, 236);
  }

  /** Outer IPv4 source. */
  get tunSrc(): number {
    return getBe32(this.u8, 248);
  }
  set tunSrc(v: number) {
    setBe32(this.u8, 248, v);
  }

  /** Outer IPv4 destination. */
  get tunDst(): number {
    return getBe32(this.u8, 252);
  }
  set tunDst(v: number) {
    setBe32(this.u8, 252, v);
  }

  /** Register 0. */
  get reg0(): number {
    return getBe32(this.u8, 256);
  }
  set reg0(v: number) {
    setBe32(this.u8, 256, v);
  }

  /** A register pair. */
  get xreg0(): bigint {
    return getBe64(this.u8, 256);
  }
  set xreg0(v: bigint) {
    setBe64(this.u8, 256, v);
  }

  /** Four registers. */
  get xxreg0(): Uint8Array {
    return this.u8.subarray(256, 272);
  }
  set xxreg0(v: Uint8Array) {
    this.u8.set(v, 256);
  }

  /** Register 1. */
  get reg1(): number {
    return getBe32(this.u8, 260);
  }
  set reg1(v: number) {
    setBe32(this.u8, 260, v);
  }

  /** Register 2. */
  get reg2(): number {
    return getBe32(this.u8, 264);
  }
  set reg2(v: number) {
    setBe32(this.u8, 264, v);
  }

  /** A register pair. */
  get xreg1(): bigint {
    return getBe64(this.u8, 264);
  }
  set xreg1(v: bigint) {
    setBe64(this.u8, 264, v);
  }

  /** Register 3. */
  get reg3(): number {
    return getBe32(this.u8, 268);
  }
  set reg3(v: number) {
    setBe32(this.u8, 268, v);
  }

  /** Register 4. */
  get reg4(): number {
    return getBe32(this.u8, 272);
  }
  set reg4(v: number) {
    setBe32(this.u8, 272, v);
  }

  /** A register pair. */
  get xreg2(): bigint {
    return getBe64(this.u8, 272);
  }
  set xreg2(v: bigint) {
    setBe64(this.u8, 272, v);
  }

  /** Four registers. */
  get xxreg1(): Uint8Array {
    return this.u8.subarray(272, 288);
  }
  set xxreg1(v: Uint8Array) {
    this.u8.set(v, 272);
  }

  /** Register 5. */
  get reg5(): number {
    return getBe32(this.u8, 276);
  }
  set reg5(v: number) {
    setBe32(this.u8, 276, v);
  }

  /** Register 6. */
  get reg6(): number {
    return getBe32(this.u8, 280);
  }
  set reg6(v: number) {
    setBe32(this.u8, 280, v);
  }

  /** A register pair. */
  get xreg3(): bigint {
    return getBe64(this.u8, 280);
  }
  set xreg3(v: bigint) {
    setBe64(this.u8, 280, v);
  }

  /** Register 7. */
  get reg7(): number {
    return getBe32(this.u8, 284);
  }
  set reg7(v: number) {
    setBe32(this.u8, 284, v);
  }

  /** Register 8. */
  get reg8(): number {
    return getBe32(this.u8, 288);
  }
  set reg8(v: number) {
    setBe32(this.u8, 288, v);
  }

  /** A register pair. */
  get xreg4(): bigint {
    return getBe64(this.u8, 288);
  }
  set xreg4(v: bigint) {
    setBe64(this.u8, 288, v);
  }

  /** Four registers. */
  get xxreg2(): Uint8Array {
    return this.u8.subarray(288, 304);
  }
  set xxreg2(v: Uint8Array) {
    this.u8.set(v, 288);
  }

  /** Register 9. */
  get reg9(): number {
    return getBe32(this.u8, 292);
  }
  set reg9(v: number) {
    setBe32(this.u8, 292, v);
  }

  /** Register 10. */
  get reg10(): number {
    return getBe32(this.u8, 296);
  }
  set reg10(v: number) {
    setBe32(this.u8, 296, v);
  }

  /** A register pair. */
  get xreg5(): bigint {
    return getBe64(this.u8, 296);
  }
  set xreg5(v: bigint) {
    setBe64(this.u8, 296, v);
  }

  /** Register 11. */
  get reg11(): number {
    return getBe32(this.u8, 300);
  }
  set reg11(v: number) {
    setBe32(this.u8, 300, v);
  }

  /** Register 12. */
  get reg12(): number {
    return getBe32(this.u8, 304);
  }
  set reg12(v: number) {
    setBe32(this.u8, 304, v);
  }

  /** A register pair. */
  get xreg6(): bigint {
    return getBe64(this.u8, 304);
  }
  set xreg6(v: bigint) {
    setBe64(this.u8, 304, v);
  }

  /** Four registers. */
  get xxreg3(): Uint8Array {
    return this.u8.subarray(304, 320);
  }
  set xxreg3(v: Uint8Array) {
    this.u8.set(v, 304);
  }

  /** Register 13. */
  get reg13(): number {
    return getBe32(this.u8, 308);
  }
  set reg13(v: number) {
    setBe32(this.u8, 308, v);
  }

  /** Register 14. */
  get reg14(): number {
    return getBe32(this.u8, 312);
  }
  set reg14(v: number) {
    setBe32(this.u8, 312, v);
  }

  /** A register pair. */
  get xreg7(): bigint {
    return getBe64(this.u8, 312);
  }
  set xreg7(v: bigint) {
    setBe64(this.u8, 312, v);
  }

  /** Register 15. */
  get reg15(): number {
    return getBe32(this.u8, 316);
  }
  set reg15(v: number) {
    setBe32(this.u8, 316, v);
  }

  /** OpenFlow metadata, a bigint. */
  get metadata(): bigint {
    return getBe64(this.u8, 320);
  }
  set metadata(v: bigint) {
    setBe64(this.u8, 320, v);
  }

  /** Conjunction that matched, 0 for none. */
  get conjId(): number {
    return getBe32(this.u8, 328);
  }
  set conjId(v: number) {
    setBe32(this.u8, 328, v);
  }

  /** OpenFlow port, 16 bits. */
  get actsetOutput(): number {
    return getBe32(this.u8, 332);
  }
  set actsetOutput(v: number) {
    setBe32(this.u8, 332, v);
  }

  /** Name space and type; 0 is Ethernet. */
  get packetType(): number {
    return getBe32(this.u8, 336);
  }
  set packetType(v: number) {
    setBe32(this.u8, 336, v);
  }

  /** Priority for QoS (set_queue). */
  get skbPriority(): number {
    return getBe32(this.u8, 340);
  }
  set skbPriority(v: number) {
    setBe32(this.u8, 340, v);
  }

  /** Outermost MPLS label stack entry. */
  get mplsLse0(): number {
    return getBe32(this.u8, 344);
  }
  set mplsLse0(v: number) {
    setBe32(this.u8, 344, v);
  }

  /** Second MPLS label stack entry. */
  get mplsLse1(): number {
    return getBe32(this.u8, 348);
  }
  set mplsLse1(v: number) {
    setBe32(this.u8, 348, v);
  }

  /** Third MPLS label stack entry. */
  get mplsLse2(): number {
    return getBe32(this.u8, 352);
  }
  set mplsLse2(v: number) {
    setBe32(this.u8, 352, v);
  }

  /** NSH flags (RFC 8300). */
  get nshFlags(): number {
    return this.u8[356]!;
  }
  set nshFlags(v: number) {
    this.u8[356] = v;
  }

  /** NSH TTL. */
  get nshTtl(): number {
    return this.u8[357]!;
  }
  set nshTtl(v: number) {
    this.u8[357] = v;
  }

  /** NSH metadata type. */
  get nshMdtype(): number {
    return this.u8[358]!;
  }
  set nshMdtype(v: number) {
    this.u8[358] = v;
  }

  /** NSH next protocol. */
  get nshNp(): number {
    return this.u8[359]!;
  }
  set nshNp(v: number) {
    this.u8[359] = v;
  }

  /** Service path in 24 bits, index in 8. */
  get nshPath(): number {
    return getBe32(this.u8, 360);
  }
  set nshPath(v: number) {
    setBe32(this.u8, 360, v);
  }

  /** NSH context header 1. */
  get nshC1(): number {
    return getBe32(this.u8, 364);
  }
  set nshC1(v: number) {
    setBe32(this.u8, 364, v);
  }

  /** NSH context header 2. */
  get nshC2(): number {
    return getBe32(this.u8, 368);
  }
  set nshC2(v: number) {
    setBe32(this.u8, 368, v);
  }

  /** NSH context header 3. */
  get nshC3(): number {
    return getBe32(this.u8, 372);
  }
  set nshC3(v: number) {
    setBe32(this.u8, 372, v);
  }

  /** NSH context header 4. */
  get nshC4(): number {
    return getBe32(this.u8, 376);
  }
  set nshC4(v: number) {
    setBe32(this.u8, 376, v);
  }

  /** ERSPAN version. */
  get tunErspanVer(): number {
    return this.u8[383]!;
  }
  set tunErspanVer(v: number) {
    this.u8[383] = v;
  }

  /** ERSPAN index, 20 bits. */
  get tunErspanIdx(): number {
    return getBe32(this.u8, 384);
  }
  set tunErspanIdx(v: number) {
    setBe32(this.u8, 384, v);
  }

  /** ERSPAN direction. */
  get tunErspanDir(): number {
    return this.u8[388]!;
  }
  set tunErspanDir(v: number) {
    this.u8[388] = v;
  }

  /** ERSPAN hardware id, 6 bits. */
  get tunErspanHwid(): number {
    return this.u8[389]!;
  }
  set tunErspanHwid(v: number) {
    this.u8[389] = v;
  }

  /** GTP-U flags. */
  get tunGtpuFlags(): number {
    return this.u8[390]!;
  }
  set tunGtpuFlags(v: number) {
    this.u8[390] = v;
  }

  /** GTP-U message type. */
  get tunGtpuMsgtype(): number {
    return this.u8[391]!;
  }
  set tunGtpuMsgtype(v: number) {
    this.u8[391] = v;
  }

  /** Reserved word of ND messages. */
  get ndReserved(): number {
    return getBe32(this.u8, 392);
  }
  set ndReserved(v: number) {
    setBe32(this.u8, 392, v);
  }

  /** Type of the first ND option. */
  get ndOptionsType(): number {
    return this.u8[396]!;
  }
  set ndOptionsType(v: number) {
    this.u8[396] = v;
  }

  /** Tunnel options that are there: bit N % 8 of byte N / 8 for `tun_metadataN`. */
  get tunMetadataPresent(): bigint {
    return getBe64(this.u8, 400);
  }
  set tunMetadataPresent(v: bigint) {
    setBe64(this.u8, 400, v);
  }

  /** Values of tunnel options, where the TLV table places them. */
  get tunMetadata(): Uint8Array {
    return this.u8.subarray(408, 664);
  }
  set tunMetadata(v: Uint8Array) {
    this.u8.set(v, 408);
  }
}
