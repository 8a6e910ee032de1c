/**
 * What a list of attributes says of a packet: a flow key, and whether there were as many attributes
 * as such a packet has.
 */
import {
  ETH_P_8021AD,
  ETH_P_8021Q,
  FLOW_DL_TYPE_NONE,
  Flow,
  putErspan,
  putTunnelOptions,
  readErspan,
} from '@heddle/packet';
import {
  FLAGS,
  isFlags,
  isNumber,
  isStruct,
  type Member,
  NUMBERS,
  type OdpAttr,
  putMember,
  STRUCTS,
  type StructAttr,
  type TunnelAttr,
  type TunnelMember,
} from './odp-attrs.ts';
import { transportGroup } from './odp-fields.ts';
import { formatAttrs } from './odp-format-attrs.ts';

/** What came of the attributes, the worse the later (enum odp_key_fitness). */
export type KeyFitness = 'perfect' | 'too-much' | 'too-little';

export interface KeyOptions {
  /** Tags that are told apart; behind them there are none. */
  readonly vlanLimit?: number;
}

/** The attributes contradict one another or no packet is like that. */
export class OdpKeyError extends Error {
  override readonly name = 'OdpKeyError';
}

type Present = ReadonlyMap<OdpAttr['name'], OdpAttr>;

const NO_PORT = 0xffff_ffff;
const ETH_P_MPLS = 0x8847;
const MIN_ETHERTYPE = 0x600;
const BOS = 0x100;
const METADATA: readonly OdpAttr['name'][] = [
  'skb_priority',
  'tunnel',
  'skb_mark',
  'ct_state',
  'ct_zone',
  'ct_mark',
  'ct_label',
  'ct_tuple4',
  'ct_tuple6',
  'recirc_id',
  'dp_hash',
  'in_port',
  'packet_type',
];

/** Throws an `OdpKeyError` that says what is wrong and in which key. */
export function keyOfAttrs(
  attrs: readonly OdpAttr[],
  { vlanLimit = 2 }: KeyOptions = {},
): { flow: Flow; fitness: KeyFitness } {
  try {
    return new KeyReader(vlanLimit).read(attrs);
  } catch (error) {
    if (!(error instanceof OdpKeyError)) throw error;
    const key = formatAttrs(attrs, { isVerbose: true });
    throw new OdpKeyError(`${error.message}; the flow key in error is: ${key}`);
  }
}

class KeyReader {
  readonly flow = new Flow();
  readonly #vlanLimit: number;
  #fitness: KeyFitness = 'perfect';

  constructor(vlanLimit: number) {
    this.#vlanLimit = vlanLimit;
  }

  read(attrs: readonly OdpAttr[]): { flow: Flow; fitness: KeyFitness } {
    const { flow } = this;
    const present = index(attrs);
    this.#metadata(present);
    const eth = present.get('eth');
    if (eth) putAttr(flow, eth);
    this.#ethertype(present);
    const packetType = present.get('packet_type');
    if (!eth) this.#packetType(present, packetType as StructAttr | undefined);
    this.#frame(present, [...METADATA, 'eth', 'eth_type'], 0);
    return { flow, fitness: this.#fitness };
  }

  #metadata(present: Present): void {
    const { flow } = this;
    flow.inPort = NO_PORT;
    for (const name of METADATA) {
      const attr = present.get(name);
      // Of a packet that was not tracked there is no tuple.
      const isVain = name.startsWith('ct_tuple') && flow.ctState === 0;
      if (attr && !isVain) putAttr(flow, attr);
    }
    const tunnel = present.get('tunnel') as TunnelAttr | undefined;
    if (tunnel && !tunnel.members.some((member) => member.name === 'ttl')) {
      throw new OdpKeyError('tunnel options missing TTL');
    }
  }

  /** Without a type that of the header that is there. */
  #ethertype(present: Present): void {
    const { flow } = this;
    const attr = present.get('eth_type');
    if (attr) {
      const { value } = attr as { value: number };
      if (value < MIN_ETHERTYPE) {
        throw new OdpKeyError(`invalid Ethertype ${value} in flow key`);
      }
      flow.dlType = value;
    } else if (present.has('mpls')) flow.dlType = ETH_P_MPLS;
    else if (present.has('ipv4')) flow.dlType = 0x0800;
    else if (present.has('ipv6')) flow.dlType = 0x86dd;
    else flow.dlType = FLOW_DL_TYPE_NONE;
  }

  /** A packet without an Ethernet header is of the type that is said. */
  #packetType(present: Present, attr: StructAttr | undefined): void {
    const type = present.get('eth_type') as { value: number } | undefined;
    if (type) this.flow.packetType = 0x1_0000 | type.value;
    else if (attr) {
      const [ns, id] = attr.values as readonly number[];
      this.flow.packetType = ((ns! << 16) | id!) >>> 0;
    }
  }

  #frame(present: Present, expected: readonly OdpAttr['name'][], depth: number): void {
    const { flow } = this;
    const type = flow.dlType;
    const isTag = (type === ETH_P_8021Q || type === ETH_P_8021AD) && depth < this.#vlanLimit;
    const vlan = present.get('vlan') as StructAttr | undefined;
    const encap = present.get('encap') as { attrs: readonly OdpAttr[] } | undefined;
    const [vid, pcp, cfi] = (vlan?.values ?? [0, 0, 0]) as readonly number[];
    const tci = (pcp! << 13) | (cfi! << 12) | vid!;
    if (isTag && encap && tci !== 0 && cfi === 0) {
      const text = tci.toString(16).padStart(4, '0');
      throw new OdpKeyError(`OVS_KEY_ATTR_VLAN 0x${text} is nonzero but CFI bit is not set`);
    }
    // Tags are of Ethernet's.
    if (!isTag || flow.packetType !== 0) {
      this.#check(present, expected, this.#headers(present));
      return;
    }
    this.#check(present, expected, ['vlan', 'encap']);
    flow.dlType = 0;
    if (tci === 0) {
      if (encap && encap.attrs.length > 0) this.#worsen('too-much');
      return;
    }
    if (depth === 0) [flow.vlanTpid0, flow.vlanTci0] = [type, tci];
    else [flow.vlanTpid1, flow.vlanTci1] = [type, tci];
    if (!encap) return;
    const inner = index(encap.attrs);
    this.#ethertype(inner);
    this.#frame(inner, ['eth_type'], depth + 1);
  }

  /** Reads what lies in the frame; the attributes that such a one has. */
  #headers(present: Present): OdpAttr['name'][] {
    switch (this.flow.dlType) {
      case ETH_P_MPLS:
      case 0x8848:
        this.#mpls(present);
        return ['mpls'];
      case 0x0800:
        return this.#network(present, 'ipv4');
      case 0x86dd:
        return this.#network(present, 'ipv6');
      case 0x0806:
      case 0x8035:
        this.#arp(present);
        return ['arp'];
      case 0x894f:
        // Its text has no form that is taken.
        this.#worsen('too-little');
        return [];
      default:
        return [];
    }
  }

  #mpls(present: Present): void {
    const attr = present.get('mpls') as { lses: readonly number[] } | undefined;
    if (!attr) return;
    const { lses } = attr;
    if (lses.slice(0, -1).some((lse) => (lse & BOS) !== 0)) {
      throw new OdpKeyError('MPLS BOS set in non-innermost label');
    }
    if (lses.length < 3 && (lses.at(-1)! & BOS) === 0) this.#worsen('too-little');
    [this.flow.mplsLse0, this.flow.mplsLse1, this.flow.mplsLse2] = [
      lses[0] ?? 0,
      lses[1] ?? 0,
      lses[2] ?? 0,
    ];
  }

  #arp(present: Present): void {
    const attr = present.get('arp') as StructAttr | undefined;
    if (!attr) return;
    const op = attr.values[2] as number;
    if (op > 0xff) throw new OdpKeyError(`unsupported ARP opcode ${op} in flow key`);
    putAttr(this.flow, attr);
  }

  #network(present: Present, name: 'ipv4' | 'ipv6'): OdpAttr['name'][] {
    const { flow } = this;
    const attr = present.get(name);
    if (attr) putAttr(flow, attr);
    if (flow.nwFrag & 2) return [name];
    const transport = transportGroup(flow.dlType, flow.nwProto);
    if (transport === undefined) return [name];
    const found: OdpAttr['name'][] = [name, transport];
    const header = present.get(transport);
    if (header) putAttr(flow, header);
    const flags = present.get('tcp_flags');
    if (transport === 'tcp' && flags) {
      putAttr(flow, flags);
      found.push('tcp_flags');
    }
    const isNd = flow.tpDst === 0 && (flow.tpSrc === 135 || flow.tpSrc === 136);
    if (transport !== 'icmpv6' || !isNd) return found;
    const nd = present.get('nd');
    if (nd) putAttr(flow, nd);
    if (present.has('nd_ext')) found.push('nd_ext');
    return [...found, 'nd'];
  }

  #check(
    present: Present,
    may: readonly OdpAttr['name'][],
    must: readonly OdpAttr['name'][],
  ): void {
    if (must.some((name) => !present.has(name))) this.#worsen('too-little');
    const isExtra = (name: OdpAttr['name']): boolean => !may.includes(name) && !must.includes(name);
    if ([...present.keys()].some(isExtra)) this.#worsen('too-much');
  }

  #worsen(to: 'too-much' | 'too-little'): void {
    if (this.#fitness !== 'too-little') this.#fitness = to;
  }
}

function index(attrs: readonly OdpAttr[]): Present {
  const present = new Map<OdpAttr['name'], OdpAttr>();
  for (const attr of attrs) {
    if (present.has(attr.name)) {
      throw new OdpKeyError(`duplicate ${attr.name} attribute in flow key`);
    }
    present.set(attr.name, attr);
  }
  return present;
}

/** What one attribute says, into a key, or its mask's bits into a mask. */
export function putAttr(flow: Flow, attr: OdpAttr, part: 'value' | 'mask' = 'value'): void {
  if (isStruct(attr)) {
    const members: readonly Member[] = STRUCTS[attr.name];
    const from = part === 'value' ? attr.values : attr.masks;
    for (const [i, { key }] of members.entries()) {
      if (key !== undefined) putMember(flow, key, from[i]!);
    }
  } else if (attr.name === 'ct_label') flow.ctLabel = attr[part];
  else if (attr.name === 'tunnel') {
    for (const member of attr.members) putTunnelMember(flow, member, part);
    flow.tunFlags = part === 'value' ? attr.flags : attr.flagsMask;
    if (part === 'value') readErspan(flow);
  } else if (isNumber(attr.name)) {
    flow[NUMBERS[attr.name].key] = (attr as { value: number; mask: number })[part];
  } else if (isFlags(attr.name)) {
    flow[FLAGS[attr.name].key] = (attr as { value: number; mask: number })[part];
  }
}

const TUNNEL_NUMBERS = {
  src: 'tunSrc',
  dst: 'tunDst',
  tos: 'tunTos',
  ttl: 'tunTtl',
  tp_src: 'tunTpSrc',
  tp_dst: 'tunTpDst',
} as const;

function putTunnelMember(flow: Flow, member: TunnelMember, part: 'value' | 'mask'): void {
  switch (member.name) {
    case 'tun_id':
      flow.tunId = member[part];
      break;
    case 'ipv6_src':
      flow.tunIpv6Src = member[part];
      break;
    case 'ipv6_dst':
      flow.tunIpv6Dst = member[part];
      break;
    case 'vxlan': {
      const { id, flags } = part === 'value' ? member.gbp : member.mask;
      [flow.tunGbpId, flow.tunGbpFlags] = [id, flags];
      break;
    }
    case 'geneve':
      if (part === 'value') putTunnelOptions(flow, member.value);
      else fillOptions(flow);
      break;
    case 'erspan':
      if (part === 'value') putErspan(flow, member.value);
      else fillOptions(flow);
      break;
    case 'gtpu': {
      const { flags, msgtype } = member[part];
      [flow.tunGtpuFlags, flow.tunGtpuMsgtype] = [flags, msgtype];
      break;
    }
    default: {
      const field = TUNNEL_NUMBERS[member.name];
      flow[field] = member[part];
    }
  }
}

/** Options are looked at whole. */
function fillOptions(mask: Flow): void {
  mask.tunOptsLen = 0xff;
  mask.tunOpts.fill(0xff);
}
