/**
 * IPFIX flow records of a bridge (RFC 7011; information elements of IANA's registry, and VMware's
 * of ovs-vswitchd.conf.db(5), table IPFIX): one template for each kind of packet.
 */
import { ByteWriter } from '@heddle/openflow';
import {
  ETH_P_IP,
  ETH_P_IPV6,
  type Flow,
  isTunnelled,
  VLAN_CFI,
  VLAN_VID_MASK,
} from '@heddle/packet';

/** A device as records name it. */
export interface IpfixInterface {
  readonly ifindex: number;
  readonly name: string;
}

/** What a record is about. */
export interface IpfixSample {
  readonly flow: Flow;
  readonly obsPointId: number;
  readonly isEgress: boolean;
  readonly input: IpfixInterface | undefined;
  /** Where it leaves, when that is known. */
  readonly output: IpfixInterface | undefined;
  readonly tunnel: IpfixTunnel | undefined;
  readonly virtualObsId: string | undefined;
}

export interface IpfixTunnel {
  /** 1 VXLAN, 2 GRE, 7 Geneve. */
  readonly type: number;
  readonly source: number;
  readonly destination: number;
  readonly protocol: number;
  readonly sourcePort: number;
  readonly destinationPort: number;
  /** 3, 4 or 8 bytes. */
  readonly key: Uint8Array;
}

/** Counters of a record and of its exporter. */
export interface IpfixCounts {
  readonly startMs: number;
  readonly endMs: number;
  readonly packets: number;
  readonly bytes: number;
  readonly ipBytes: number;
  readonly ipBytesSquared: bigint;
  readonly ipMin: number;
  readonly ipMax: number;
  readonly droppedPackets: number;
  readonly droppedBytes: number;
  readonly multicastPackets: number;
  readonly multicastBytes: number;
}

export interface IpfixTotals {
  packets: number;
  bytes: number;
  ipBytes: number;
  ipBytesSquared: bigint;
  droppedPackets: number;
  droppedBytes: number;
  multicastPackets: number;
  multicastBytes: number;
  ingressUnicast: number;
  ingressMulticast: number;
  ingressBroadcast: number;
  egressUnicast: number;
  egressBroadcast: number;
  tcp: { ack: number; fin: number; psh: number; rst: number; syn: number; urg: number };
}

export const FLOW_END = { idle: 1, active: 2, forced: 4, resources: 5 } as const;

const VARIABLE = 0xffff;
const VMWARE = 6876;
const FIRST_TEMPLATE = 256;
const L2 = ['ethernet', 'vlan'] as const;
const L3 = ['other', 'ipv4', 'ipv6'] as const;
const L4 = ['other', 'tcp', 'udp', 'sctp', 'icmp'] as const;

/** What kind of packet it is of; a template each. */
export interface IpfixKind {
  readonly l2: (typeof L2)[number];
  readonly l3: (typeof L3)[number];
  readonly l4: (typeof L4)[number];
  readonly hasOutput: boolean;
  readonly hasTunnel: boolean;
}

type Field = readonly [id: number, bytes: number, enterprise?: number];

const INTERFACE = (index: number, type: number): Field[] => [
  [index, 4],
  [type, 4],
  [82, VARIABLE],
  [83, VARIABLE],
];
const COMMON: Field[] = [
  [138, 4],
  [61, 1],
  [56, 6],
  [80, 6],
  [256, 2],
  [240, 1],
];
const VLAN: Field[] = [
  [58, 2],
  [243, 2],
  [244, 1],
];
const IP: Field[] = [
  [60, 1],
  [192, 1],
  [4, 1],
  [195, 1],
  [196, 1],
  [5, 1],
];
const IPV4: Field[] = [
  [8, 4],
  [12, 4],
];
const IPV6: Field[] = [
  [27, 16],
  [28, 16],
  [31, 4],
];
const PORTS: Field[] = [
  [7, 2],
  [11, 2],
];
const ICMP4: Field[] = [
  [176, 1],
  [177, 1],
];
const ICMP6: Field[] = [
  [178, 1],
  [179, 1],
];
const TUNNEL: Field[] = [
  [893, 4, VMWARE],
  [894, 4, VMWARE],
  [895, 1, VMWARE],
  [896, 2, VMWARE],
  [897, 2, VMWARE],
  [891, 1, VMWARE],
  [892, VARIABLE, VMWARE],
];
const VIRTUAL_OBS: Field[] = [[898, VARIABLE, VMWARE]];
const eights = (...ids: number[]): Field[] => ids.map((id) => [id, 8]);
const COUNTERS: Field[] = [
  [158, 4],
  [159, 4],
  ...eights(133, 135, 2, 86, 354, 355, 356, 357, 358, 19, 174, 352, 353),
  [136, 1],
];
const IP_COUNTERS = eights(132, 134, 1, 85, 198, 199, 25, 26, 20, 175);
const TCP_COUNTERS = eights(222, 219, 221, 220, 218, 223);

export function templateId(kind: IpfixKind): number {
  const l2 = L2.indexOf(kind.l2);
  const l3 = L3.indexOf(kind.l3);
  const l4 = L4.indexOf(kind.l4);
  const rest = (kind.hasTunnel ? 2 : 0) + (kind.hasOutput ? 1 : 0);
  return FIRST_TEMPLATE + ((l2 * 3 + l3) * 5 + l4) * 4 + rest;
}

function fieldsOf(kind: IpfixKind, hasVirtualObs: boolean): Field[] {
  const isIp = kind.l3 !== 'other';
  return [
    ...COMMON,
    ...INTERFACE(10, 368),
    ...(kind.hasOutput ? INTERFACE(14, 369) : []),
    ...(kind.l2 === 'vlan' ? VLAN : []),
    ...(isIp ? IP : []),
    ...(kind.l3 === 'ipv4' ? IPV4 : kind.l3 === 'ipv6' ? IPV6 : []),
    ...l4Fields(kind),
    ...(kind.hasTunnel ? TUNNEL : []),
    ...(hasVirtualObs ? VIRTUAL_OBS : []),
    ...COUNTERS,
    ...(isIp ? IP_COUNTERS : []),
    ...(kind.l4 === 'tcp' ? TCP_COUNTERS : []),
  ];
}

function l4Fields({ l3, l4 }: IpfixKind): Field[] {
  if (l4 === 'other') return [];
  if (l4 !== 'icmp') return PORTS;
  return l3 === 'ipv4' ? ICMP4 : ICMP6;
}

/** Every template record, in the order of their ids. */
export function templateRecords(hasVirtualObs: boolean): Uint8Array[] {
  const out: Uint8Array[] = [];
  for (const l2 of L2) {
    for (const l3 of L3) {
      for (const l4 of l3 === 'other' ? (['other'] as const) : L4) {
        for (const hasTunnel of [false, true]) {
          for (const hasOutput of [false, true]) {
            out.push(templateRecord({ l2, l3, l4, hasTunnel, hasOutput }, hasVirtualObs));
          }
        }
      }
    }
  }
  return out;
}

function templateRecord(kind: IpfixKind, hasVirtualObs: boolean): Uint8Array {
  const fields = fieldsOf(kind, hasVirtualObs);
  const w = new ByteWriter();
  w.u16(templateId(kind));
  w.u16(fields.length);
  for (const [id, bytes, enterprise] of fields) {
    w.u16(enterprise === undefined ? id : id | 0x8000);
    w.u16(bytes);
    if (enterprise !== undefined) w.u32(enterprise);
  }
  return w.take();
}

const L4_PROTOCOLS = { tcp: 6, udp: 17, sctp: 132 } as const;
const ICMP = { ipv4: 1, ipv6: 58, other: -1 } as const;

export function kindOf({ flow, output, tunnel }: IpfixSample): IpfixKind {
  const l3 = flow.dlType === ETH_P_IP ? 'ipv4' : flow.dlType === ETH_P_IPV6 ? 'ipv6' : 'other';
  let l4: IpfixKind['l4'] = 'other';
  if (l3 !== 'other') {
    if (flow.nwProto === ICMP[l3]) l4 = 'icmp';
    for (const name of ['tcp', 'udp', 'sctp'] as const) {
      if (flow.nwProto === L4_PROTOCOLS[name]) l4 = name;
    }
  }
  return {
    l2: (flow.vlanTci0 & VLAN_CFI) !== 0 ? 'vlan' : 'ethernet',
    l3,
    l4,
    hasOutput: output !== undefined,
    hasTunnel: tunnel !== undefined,
  };
}

/** What packets of one record have in common, as bytes. */
export function keyBytes(kind: IpfixKind, sample: IpfixSample): Uint8Array {
  const { flow } = sample;
  const w = new ByteWriter(128);
  w.u32(sample.obsPointId);
  w.byte(sample.isEgress ? 1 : 0);
  w.uint(BigInt(flow.dlSrc), 6);
  w.uint(BigInt(flow.dlDst), 6);
  w.u16(flow.dlType);
  w.byte(kind.l2 === 'vlan' ? 18 : 14);
  putInterface(w, sample.input);
  if (kind.hasOutput) putInterface(w, sample.output);
  if (kind.l2 === 'vlan') {
    w.u16(flow.vlanTci0 & VLAN_VID_MASK);
    w.u16(flow.vlanTci0 & VLAN_VID_MASK);
    w.byte(flow.vlanTci0 >>> 13);
  }
  if (kind.l3 !== 'other') putIp(w, kind, flow);
  if (sample.tunnel) putTunnel(w, sample.tunnel);
  if (sample.virtualObsId !== undefined) putVariable(w, Buffer.from(sample.virtualObsId));
  return w.take();
}

function putInterface(w: ByteWriter, device: IpfixInterface | undefined): void {
  w.u32(device?.ifindex ?? 0);
  w.u32(0);
  putVariable(w, Buffer.from(device?.name ?? ''));
  putVariable(w, new Uint8Array());
}

/** Up to 254 bytes. */
function putVariable(w: ByteWriter, data: Uint8Array): void {
  const cut = data.subarray(0, 254);
  w.byte(cut.length);
  w.bytes(cut);
}

function putIp(w: ByteWriter, { l3, l4 }: IpfixKind, flow: Flow): void {
  w.byte(l3 === 'ipv4' ? 4 : 6);
  w.byte(flow.nwTtl);
  w.byte(flow.nwProto);
  w.byte(flow.nwTos >>> 2);
  w.byte(flow.nwTos >>> 5);
  w.byte(flow.nwTos);
  if (l3 === 'ipv4') {
    w.u32(flow.nwSrc);
    w.u32(flow.nwDst);
  } else {
    w.bytes(flow.ipv6Src);
    w.bytes(flow.ipv6Dst);
    w.u32(flow.ipv6Label);
  }
  if (l4 === 'icmp') {
    w.byte(flow.tpSrc);
    w.byte(flow.tpDst);
  } else if (l4 !== 'other') {
    w.u16(flow.tpSrc);
    w.u16(flow.tpDst);
  }
}

function putTunnel(w: ByteWriter, t: IpfixTunnel): void {
  w.u32(t.source);
  w.u32(t.destination);
  w.byte(t.protocol);
  w.u16(t.sourcePort);
  w.u16(t.destinationPort);
  w.byte(t.type);
  putVariable(w, t.key);
}

/** The rest of a data record. */
export function countBytes(
  kind: IpfixKind,
  counts: IpfixCounts,
  totals: IpfixTotals,
  nowMs: number,
  reason: number,
): Uint8Array {
  const w = new ByteWriter(256);
  const put = (...values: readonly (number | bigint)[]): void => {
    for (const value of values) w.u64(BigInt(value));
  };
  w.u32(micros(nowMs - counts.startMs));
  w.u32(micros(nowMs - counts.endMs));
  put(counts.droppedPackets, totals.droppedPackets, counts.packets, totals.packets);
  put(totals.ingressUnicast, totals.ingressMulticast, totals.ingressBroadcast);
  put(totals.egressUnicast, totals.egressBroadcast);
  put(counts.multicastPackets, totals.multicastPackets, counts.bytes, totals.bytes);
  w.byte(reason);
  if (kind.l3 !== 'other') {
    put(counts.droppedBytes, totals.droppedBytes, counts.ipBytes, totals.ipBytes);
    put(counts.ipBytesSquared, totals.ipBytesSquared, counts.ipMin, counts.ipMax);
    put(counts.multicastBytes, totals.multicastBytes);
  }
  if (kind.l4 === 'tcp') {
    const { ack, fin, psh, rst, syn, urg } = totals.tcp;
    put(ack, fin, psh, rst, syn, urg);
  }
  return w.take();
}

function micros(ms: number): number {
  return Math.min(Math.max(0, Math.round(ms * 1000)), 0xffff_ffff);
}

const TUNNEL_TYPES = { vxlan: 1, gre: 2, geneve: 7 } as const;
const KEY_BYTES = { vxlan: 3, gre: 4, geneve: 3 } as const;

/** The tunnel that a packet came by or leaves by; IPv4 alone has elements for its addresses. */
export function tunnelOf(type: string, flow: Flow): IpfixTunnel | undefined {
  if (!(type in TUNNEL_TYPES) || !isTunnelled(flow) || flow.tunDst === 0) return undefined;
  const known = type as keyof typeof TUNNEL_TYPES;
  const key = Buffer.alloc(8);
  key.writeBigUInt64BE(flow.tunId);
  return {
    type: TUNNEL_TYPES[known],
    source: flow.tunSrc,
    destination: flow.tunDst,
    protocol: known === 'gre' ? 47 : 17,
    sourcePort: flow.tunTpSrc,
    destinationPort: flow.tunTpDst,
    key: key.subarray(8 - KEY_BYTES[known]),
  };
}
