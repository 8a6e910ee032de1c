/** Random writes, loads, moves and stacks of every field that a flow of a protocol may touch. */
import type { Random } from '@heddle/datapath/oracle/random-frame';
import { FIELDS, type Field, formatIpv6, formatMac } from '@heddle/packet';
import type { Protocol } from './random-match.ts';

/** Tunnel options that the bridge knows, in bits. */
const TLV_BITS: Readonly<Record<string, number>> = { tun_metadata0: 32, tun_metadata1: 64 };

function bitsOf(field: Field): number {
  return TLV_BITS[field.name] ?? field.bits ?? field.width;
}

function isThere({ prerequisite }: Field, p: Protocol): boolean {
  switch (prerequisite) {
    case undefined:
    case 'Ethernet':
      return true;
    case 'IPv4':
      return p.network === 'ip';
    case 'IPv6':
      return p.network === 'ipv6';
    case 'IPv4/IPv6':
      return p.network === 'ip' || p.network === 'ipv6';
    case 'ARP':
      return p.network === 'arp';
    case 'MPLS':
      return p.network === 'mpls';
    case 'NSH':
      return p.network === 'nsh';
    case 'TCP':
      return p.l4 === 'tcp';
    case 'UDP':
      return p.l4 === 'udp';
    case 'SCTP':
      return p.l4 === 'sctp';
    case 'ICMPv4':
      return p.l4 === 'icmp';
    case 'ICMPv6':
      return p.l4 === 'icmp6' || p.l4 === 'solicit' || p.l4 === 'advert';
    case 'ND':
      return p.l4 === 'solicit' || p.l4 === 'advert';
    case 'ND solicit':
      return p.l4 === 'solicit';
    case 'ND advert':
      return p.l4 === 'advert';
    default:
      return false;
  }
}

/** Those that actions can name, but for tunnel options that nothing maps. */
const NAMED = FIELDS.filter(
  ({ nxm, oxm, name, tunMetadata }) =>
    (nxm ?? oxm) !== undefined && (tunMetadata === undefined || TLV_BITS[name] !== undefined),
);
/** Written ones begin packets anew or are matched by the daemon alone. */
const UNWRITTEN = new Set(['nd_reserved', 'nd_options_type', 'in_port_oxm']);
const NAMES_BY_PROTOCOL = new Map<string, { read: readonly Field[]; write: readonly Field[] }>();

function fieldsOf(p: Protocol) {
  const key = `${p.network} ${p.l4}`;
  let known = NAMES_BY_PROTOCOL.get(key);
  if (!known) {
    const read = NAMED.filter((field) => isThere(field, p) && !UNWRITTEN.has(field.name));
    known = { read, write: read.filter(({ readOnly }) => !readOnly) };
    NAMES_BY_PROTOCOL.set(key, known);
  }
  return known;
}

/** Few bits are set, mostly low ones. */
function value(r: Random, bits: number): bigint {
  if (r.chance(20)) return 0n;
  if (r.chance(10)) return (1n << BigInt(bits)) - 1n;
  let n = BigInt(r.below(5));
  if (r.chance(30)) n |= 1n << BigInt(r.below(bits));
  return n & ((1n << BigInt(bits)) - 1n);
}

const hex = (n: bigint): string => `0x${n.toString(16)}`;

function text(field: Field, n: bigint): string {
  switch (field.format) {
    case 'Ethernet':
      return formatMac(Number(n));
    case 'IPv4':
      return [24n, 16n, 8n, 0n].map((shift) => (n >> shift) & 255n).join('.');
    case 'IPv6': {
      const bytes = Array.from({ length: 16 }, (_, i) => Number((n >> BigInt(120 - 8 * i)) & 255n));
      return formatIpv6(Uint8Array.from(bytes));
    }
    case 'decimal':
    case 'hexadecimal':
      return hex(n);
    default:
      return String(n & 1n);
  }
}

function setField(r: Random, field: Field): string {
  const bits = bitsOf(field);
  const n = value(r, bits);
  const m = value(r, bits);
  const isMasked = field.masking === 'bitwise' && m !== 0n && r.chance(40);
  const mask = isMasked ? `/${text(field, m)}` : '';
  return `set_field:${text(field, isMasked ? n & m : n)}${mask}->${field.name}`;
}

interface Part {
  readonly text: string;
  readonly bits: number;
}

function part(r: Random, field: Field, width?: number): Part {
  const bits = bitsOf(field);
  const name = r.chance(50) ? field.name : (field.nxm ?? field.oxm)![0];
  if (width === undefined && r.chance(40)) return { text: `${name}[]`, bits };
  const n = width ?? 1 + r.below(bits);
  const from = r.below(bits - n + 1);
  return { text: `${name}[${n === 1 ? from : `${from}..${from + n - 1}`}]`, bits: n };
}

/** A part of as many bits as that of another field at most. */
function pair(r: Random, p: Protocol): readonly [Part, Part] {
  const { read, write } = fieldsOf(p);
  const [from, to] = [r.pick(read), r.pick(write)];
  const most = Math.min(bitsOf(from), bitsOf(to));
  const n = r.chance(40) ? most : 1 + r.below(most);
  return [part(r, from, n), part(r, to, n)];
}

/** One action on any field that is there. */
export function randomFieldAction(r: Random, p: Protocol): string {
  const { read, write } = fieldsOf(p);
  switch (r.below(7)) {
    case 0:
    case 1:
      return setField(r, r.pick(write));
    case 2: {
      const to = part(r, r.pick(write));
      return `load:${hex(value(r, Math.min(to.bits, 64)))}->${to.text}`;
    }
    case 3:
      return `push:${part(r, r.pick(read)).text}`;
    case 4:
      return `pop:${part(r, r.pick(write)).text}`;
    default: {
      const [from, to] = pair(r, p);
      return `move:${from.text}->${to.text}`;
    }
  }
}

/** What a flow may be learned from, and with which fields. */
export function randomLearn(r: Random, p: Protocol): string {
  // Upstream has no room for the longer headers of experimenters' fields.
  const read = fieldsOf(p).read.filter(({ nxm, oxm }) => !/^(NXOXM|ONFOXM)/.test((nxm ?? oxm)![0]));
  const bare = read.filter(
    ({ prerequisite, tunMetadata }) => prerequisite === undefined && tunMetadata === undefined,
  );
  const any = () => r.pick(bare);
  const spec = (): string => {
    switch (r.below(7)) {
      case 0:
        return part(r, any()).text;
      case 1: {
        const [from, to] = [r.pick(read), any()];
        const n = 1 + r.below(Math.min(bitsOf(from), bitsOf(to)));
        return `${part(r, to, n).text}=${part(r, from, n).text}`;
      }
      case 2: {
        const field = any();
        return `${field.name}=${text(field, value(r, bitsOf(field)))}`;
      }
      case 3: {
        const to = part(r, any());
        return `${to.text}=${hex(value(r, Math.min(to.bits, 64)))}`;
      }
      case 4: {
        const [from, to] = [r.pick(read), r.pick(bare.filter(({ readOnly }) => !readOnly))];
        const n = 1 + r.below(Math.min(bitsOf(from), bitsOf(to)));
        return `load:${part(r, from, n).text}->${part(r, to, n).text}`;
      }
      case 5:
        return `load:${r.below(2)}->reg${r.below(16)}[${r.below(32)}]`;
      default:
        return `output:${part(r, any(), 16 > bitsOf(read[0]!) ? 8 : undefined).text}`;
    }
  };
  const options = [
    `priority=${r.below(65536)}`,
    `idle_timeout=${1 + r.below(99)}`,
    `hard_timeout=${50 + r.below(99)}`,
    `cookie=${hex(BigInt(r.below(3)))}`,
    `fin_idle_timeout=${r.below(3)}`,
    `limit=${r.below(3)}`,
    `result_dst=reg${r.below(3)}[${r.below(32)}]`,
    'send_flow_rem',
    'delete_learned',
  ].filter(() => r.chance(30));
  const specs = Array.from({ length: r.below(4) }, spec);
  return `learn(${['table=9', ...options, ...specs].join(',')})`;
}
