/** Packets that differ from one in a bit that its megaflow leaves open. */
import type { Random } from '@heddle/datapath/oracle/random-frame';
import {
  FLOW_TNL_F_CRIT,
  FLOW_TNL_F_CSUM,
  FLOW_TNL_F_DONT_FRAGMENT,
  FLOW_TNL_F_KEY,
  FLOW_TNL_F_OAM,
  FLOW_TNL_F_SEQ,
  type Flow,
  isTunnelIpv6,
  isTunnelled,
  KEY_SLOTS,
  kindSize,
  VLAN_CFI,
} from '@heddle/packet';

const TUNNEL_FLAGS =
  FLOW_TNL_F_CRIT |
  FLOW_TNL_F_CSUM |
  FLOW_TNL_F_DONT_FRAGMENT |
  FLOW_TNL_F_KEY |
  FLOW_TNL_F_OAM |
  FLOW_TNL_F_SEQ;

/** A field of the key, the packets that have it, and the bits that may be either way in them. */
interface Part {
  readonly name: string;
  readonly has: (key: Flow) => boolean;
  /** Byte by byte as in the key; all when absent. */
  readonly bits?: readonly number[];
}

const isIp = ({ dlType }: Flow) => dlType === 0x0800 || dlType === 0x86dd;
const isArp = ({ dlType }: Flow) => dlType === 0x0806 || dlType === 0x8035;
const hasPorts = (key: Flow) =>
  isIp(key) && (key.nwFrag & 2) === 0 && [6, 17, 132].includes(key.nwProto);
const isTcp = (key: Flow) => hasPorts(key) && key.nwProto === 6;
const isEcho = (key: Flow) => key.dlType === 0x0800 && key.nwProto === 1 && (key.nwFrag & 2) === 0;
const isTracked = ({ ctState }: Flow) => ctState !== 0;
const hasTuple = ({ ctNwProto }: Flow) => ctNwProto !== 0;
const isTunnelledV6 = (key: Flow) => isTunnelled(key) && isTunnelIpv6(key);
const isTunnelledV4 = (key: Flow) => isTunnelled(key) && !isTunnelIpv6(key);
const always = () => true;

const PARTS: readonly Part[] = [
  { name: 'pktMark', has: always },
  { name: 'tunId', has: isTunnelled },
  { name: 'tunSrc', has: isTunnelledV4 },
  { name: 'tunDst', has: isTunnelledV4, bits: [0, 255, 255, 255] },
  { name: 'tunIpv6Src', has: isTunnelledV6 },
  { name: 'tunIpv6Dst', has: isTunnelledV6, bits: [0, ...Array<number>(15).fill(255)] },
  { name: 'tunFlags', has: isTunnelled, bits: [TUNNEL_FLAGS & 255, TUNNEL_FLAGS >> 8] },
  { name: 'tunTos', has: isTunnelled },
  { name: 'tunTtl', has: isTunnelled },
  { name: 'tunTpSrc', has: isTunnelled },
  { name: 'tunGbpFlags', has: ({ tunGbpId }) => tunGbpId !== 0, bits: [0x48] },
  { name: 'tunGbpId', has: ({ tunGbpId }) => tunGbpId !== 0 },
  { name: 'dlDst', has: always },
  { name: 'dlSrc', has: always },
  { name: 'vlanTci0', has: ({ vlanTci0 }) => (vlanTci0 & VLAN_CFI) !== 0, bits: [0xef, 0xff] },
  { name: 'vlanTci1', has: ({ vlanTci1 }) => (vlanTci1 & VLAN_CFI) !== 0, bits: [0xef, 0xff] },
  { name: 'nwSrc', has: (key) => key.dlType === 0x0800 || isArp(key) },
  { name: 'nwDst', has: (key) => key.dlType === 0x0800 || isArp(key) },
  { name: 'ipv6Src', has: ({ dlType }) => dlType === 0x86dd },
  { name: 'ipv6Dst', has: ({ dlType }) => dlType === 0x86dd },
  { name: 'ipv6Label', has: ({ dlType }) => dlType === 0x86dd, bits: [0, 0x0f, 0xff, 0xff] },
  { name: 'nwTos', has: isIp },
  { name: 'nwTtl', has: isIp },
  { name: 'arpSha', has: isArp },
  { name: 'arpTha', has: isArp },
  { name: 'tpSrc', has: hasPorts },
  { name: 'tpDst', has: hasPorts },
  { name: 'tpSrc', has: isEcho, bits: [0, 255] },
  { name: 'tpDst', has: isEcho, bits: [0, 255] },
  { name: 'tcpFlags', has: isTcp, bits: [0x0f, 0xff] },
  { name: 'ctMark', has: isTracked },
  { name: 'ctLabel', has: isTracked },
  { name: 'ctNwSrc', has: (key) => hasTuple(key) && key.dlType === 0x0800 },
  { name: 'ctNwDst', has: (key) => hasTuple(key) && key.dlType === 0x0800 },
  { name: 'ctIpv6Src', has: (key) => hasTuple(key) && key.dlType === 0x86dd },
  { name: 'ctIpv6Dst', has: (key) => hasTuple(key) && key.dlType === 0x86dd },
  { name: 'ctTpSrc', has: (key) => hasTuple(key) && hasPorts(key) },
  { name: 'ctTpDst', has: (key) => hasTuple(key) && hasPorts(key) },
];

/** Fields of which few values make sense. */
interface Kind {
  readonly name: 'nwProto' | 'vlanTpid0' | 'vlanTpid1' | 'ctNwProto';
  readonly has: (key: Flow) => boolean;
  readonly values: readonly number[];
}

const KINDS: readonly Kind[] = [
  { name: 'nwProto', has: ({ dlType }) => dlType === 0x0800, values: [1, 2, 6, 17, 47, 132] },
  { name: 'nwProto', has: ({ dlType }) => dlType === 0x86dd, values: [6, 17, 47, 58, 132] },
  { name: 'nwProto', has: isArp, values: [1, 2, 3] },
  { name: 'vlanTpid0', has: ({ vlanTpid0 }) => vlanTpid0 !== 0, values: [0x8100, 0x88a8] },
  { name: 'vlanTpid1', has: ({ vlanTpid1 }) => vlanTpid1 !== 0, values: [0x8100, 0x88a8] },
  { name: 'ctNwProto', has: hasTuple, values: [0, 1, 6, 17] },
];

/** What only packets of one protocol have; the others have zeros there. */
const OF_PROTOCOL = ['tpSrc', 'tpDst', 'tcpFlags', 'arpSha', 'arpTha', 'ndTarget'];
const OF_TUPLE = ['ctNwSrc', 'ctNwDst', 'ctIpv6Src', 'ctIpv6Dst', 'ctTpSrc', 'ctTpDst'];

/** Whether it is all zeros afterwards; what the mask looks at stays. */
function zero(flow: Flow, mask: Flow, names: readonly string[]): boolean {
  let isZero = true;
  for (const name of names) {
    const { offset, kind } = KEY_SLOTS.get(name)!;
    for (let i = offset; i < offset + kindSize(kind); i++) {
      flow.u8[i] = flow.u8[i]! & mask.u8[i]!;
      if (flow.u8[i] !== 0) isZero = false;
    }
  }
  return isZero;
}

/** A packet of another kind, if there is one that the mask takes for the same. */
function otherKind(r: Random, key: Flow, mask: Flow, { name, values }: Kind): Flow[] {
  if (mask[name] !== 0) return [];
  const value = r.pick(values);
  if (value === key[name]) return [];
  const near = key.clone();
  near[name] = value;
  if (name === 'nwProto' && !isArp(key) && !zero(near, mask, OF_PROTOCOL)) return [];
  if (name === 'ctNwProto' && value === 0 && !zero(near, mask, OF_TUPLE)) return [];
  return [near];
}

/** One for each field that the packet has and the mask leaves bits of open. */
export function nearPackets(r: Random, key: Flow, mask: Flow): Flow[] {
  const kinds = KINDS.filter(({ has }) => has(key));
  const others = kinds.flatMap((kind) => otherKind(r, key, mask, kind));
  const parts = PARTS.flatMap(({ name, has, bits }) => {
    if (!has(key)) return [];
    const { offset, kind } = KEY_SLOTS.get(name)!;
    const open: [at: number, bit: number][] = [];
    for (let i = 0; i < kindSize(kind); i++) {
      const free = (bits?.[i] ?? 255) & ~mask.u8[offset + i]!;
      for (let bit = 1; bit < 256; bit <<= 1) if ((free & bit) !== 0) open.push([offset + i, bit]);
    }
    if (open.length === 0) return [];
    const near = key.clone();
    const [at, bit] = r.pick(open);
    near.u8[at] = near.u8[at]! ^ bit;
    return [near];
  });
  return [...parts, ...others];
}
