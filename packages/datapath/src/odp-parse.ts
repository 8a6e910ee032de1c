/** Datapath flows and actions from the text that `ovs-dpctl` writes; the inverse of odp-format. */
import {
  ETH_P_8021AD,
  ETH_P_8021Q,
  FLOW_DL_TYPE_NONE,
  Flow,
  fromHex,
  IPPROTO_ICMP,
  IPPROTO_ICMPV6,
  IPPROTO_SCTP,
  IPPROTO_TCP,
  IPPROTO_UDP,
  parseIpv4,
  parseIpv6,
  parseMac,
} from '@heddle/packet';
import type { OdpAction } from './odp-actions.ts';
import {
  CT_STATE_NAMES,
  FRAG_NAMES,
  GROUPS,
  type GroupName,
  networkGroup,
  type OdpField,
  type OdpNumberKind,
  SCALARS,
  type ScalarName,
  TCP_FLAG_NAMES,
} from './odp-fields.ts';
import { parseOdpCt } from './odp-parse-ct.ts';
import { parseSetTunnel, parseTunnel, TunnelTextError } from './odp-tunnel.ts';

export class OdpParseError extends Error {
  override readonly name = 'OdpParseError';
}

export interface OdpParseOptions {
  /** Port numbers by name, for `in_port(veth0)` and outputs. */
  readonly portNumber?: (name: string) => number | undefined;
  /** Bytes of a cookie's text, `slow_path(controller)`; the inverse of the formatter's. */
  readonly userdata?: (text: string) => Uint8Array | undefined;
}

interface Attribute {
  readonly name: string;
  /** Undefined without parentheses. */
  readonly body: string | undefined;
}

/** `a(b(c),d),e` into its top level: `a` with the body `b(c),d`, then `e` without one. */
function attributes(text: string): Attribute[] {
  const found: Attribute[] = [];
  let at = 0;
  while (at < text.length) {
    if (/[\s,]/.test(text[at]!)) {
      at++;
      continue;
    }
    const name = /^[^\s,()]*/.exec(text.slice(at))![0];
    at += name.length;
    if (text[at] !== '(') {
      if (name === '') throw new OdpParseError(`syntax error at ${text.slice(at)}`);
      found.push({ name, body: undefined });
      continue;
    }
    const end = closing(text, at);
    found.push({ name, body: text.slice(at + 1, end) });
    at = end + 1;
  }
  return found;
}

function closing(text: string, open: number): number {
  let depth = 0;
  for (let i = open; i < text.length; i++) {
    if (text[i] === '(') depth++;
    else if (text[i] === ')' && --depth === 0) return i;
  }
  throw new OdpParseError(`syntax error at ${text.slice(open)}`);
}

function integer(text: string, max: number): number {
  if (!/^(0[xX][0-9a-fA-F]+|\d+)$/.test(text)) throw new OdpParseError(`bad number ${text}`);
  const v = /^0[0-7]+$/.test(text) ? Number.parseInt(text, 8) : Number(text);
  if (v > max) throw new OdpParseError(`${text} is more than ${max}`);
  return v;
}

function splitMask(text: string): [value: string, mask: string | undefined] {
  const slash = text.indexOf('/');
  return slash < 0 ? [text, undefined] : [text.slice(0, slash), text.slice(slash + 1)];
}

function numberOf(kind: OdpNumberKind, text: string, full: number): number {
  const v =
    kind === 'mac'
      ? parseMac(text)
      : kind === 'ipv4'
        ? parseIpv4(text)
        : kind === 'frag'
          ? FRAG_NAMES.find(([, name]) => name === text)?.[0]
          : integer(text, full);
  if (v === undefined) throw new OdpParseError(`bad value ${text}`);
  return v;
}

function parseField(f: OdpField, text: string, key: Flow, mask: Flow): void {
  const [value, bits] = splitMask(text);
  if (f.kind === 'ipv6') {
    const v = parseIpv6(value);
    const m = bits === undefined ? new Uint8Array(16).fill(0xff) : parseIpv6(bits);
    if (v === undefined || m === undefined) throw new OdpParseError(`bad IPv6 address ${text}`);
    key[f.key] = v;
    mask[f.key] = m;
    return;
  }
  // ARP's operation has 16 bits on the wire, the key holds the low 8.
  const full = f.name === 'op' ? 0xffff : f.full;
  key[f.key] = numberOf(f.kind, value, full);
  mask[f.key] = bits === undefined ? f.full : numberOf(f.kind, bits, full);
}

function parseGroup(name: GroupName, body: string, key: Flow, mask: Flow): void {
  for (const member of body.split(',').filter((m) => m !== '')) {
    const eq = member.indexOf('=');
    const field = GROUPS[name].find((f) => f.name === member.slice(0, eq));
    if (field === undefined) throw new OdpParseError(`${name} has no member ${member}`);
    parseField(field, member.slice(eq + 1), key, mask);
  }
}

const DL_TYPES: Partial<Record<GroupName, number>> = { ipv4: 0x0800, ipv6: 0x86dd, arp: 0x0806 };
const NW_PROTOS: Partial<Record<GroupName, number>> = {
  tcp: IPPROTO_TCP,
  udp: IPPROTO_UDP,
  sctp: IPPROTO_SCTP,
  icmp: IPPROTO_ICMP,
  icmpv6: IPPROTO_ICMPV6,
  nd: IPPROTO_ICMPV6,
};

function isGroup(name: string): name is GroupName {
  return Object.hasOwn(GROUPS, name);
}

function isScalar(name: string): name is ScalarName {
  return Object.hasOwn(SCALARS, name);
}

/** `+syn-ack` or `syn|ack`, with names for the low bits. */
function parseFlags(text: string, names: readonly string[], full: number): [number, number] {
  if (/^[-+]/.test(text)) return parseSignedFlags(text, names);
  if (/^[0-9]/.test(text)) {
    const [value, bits] = splitMask(text);
    return [integer(value, full), bits === undefined ? full : integer(bits, full)];
  }
  let value = 0;
  for (const name of text.split('|')) {
    const bit = names.indexOf(name);
    const unnamed = /^\[([0-9a-f]+)\]$/.exec(name)?.[1];
    if (bit < 0 && unnamed === undefined) throw new OdpParseError(`bad flag ${name}`);
    value |= bit < 0 ? Number.parseInt(unnamed!, 16) : 1 << bit;
  }
  return [value, full];
}

function parseSignedFlags(text: string, names: readonly string[]): [number, number] {
  let value = 0;
  let mask = 0;
  for (const [, sign, name] of text.matchAll(/([-+])([^-+]*)/g)) {
    const named = names.indexOf(name!);
    const unnamed = /^\[([0-9a-f]+)\]$/.exec(name!)?.[1];
    if (named < 0 && unnamed === undefined) throw new OdpParseError(`bad flag ${name}`);
    const bit = named < 0 ? Number.parseInt(unnamed!, 16) : 1 << named;
    mask |= bit;
    if (sign === '+') value |= bit;
  }
  return [value, mask];
}

class FlowParser {
  readonly key = new Flow();
  readonly mask = new Flow();
  readonly #o: OdpParseOptions;
  #tags = 0;
  /** `none`: an `encap` without an `eth_type` holds a frame with a length. */
  #frameType: 'absent' | 'none' | 'given' = 'absent';

  constructor(o: OdpParseOptions) {
    this.#o = o;
  }

  /** Without a `vlan` the flow matches packets without a (further) tag, as the kernel's do. */
  parse(text: string): this {
    this.#attributes(attributes(text));
    if (this.#frameType !== 'given') this.key.dlType = FLOW_DL_TYPE_NONE;
    if (this.#frameType === 'none') this.mask.dlType = 0xffff;
    if (this.#tags < 1) this.mask.vlanTci0 = 0xffff;
    if (this.#tags < 2) this.mask.vlanTci1 = 0xffff;
    return this;
  }

  #attributes(list: readonly Attribute[]): void {
    for (const { name, body } of list) {
      if (body === undefined) throw new OdpParseError(`syntax error at ${name}`);
      if (isGroup(name)) parseGroup(name, body, this.key, this.mask);
      else if (isScalar(name)) parseField(SCALARS[name], body, this.key, this.mask);
      else this.#other(name, body);
    }
  }

  #other(name: string, body: string): void {
    const { key, mask } = this;
    switch (name) {
      case 'in_port':
        key.inPort = this.#o.portNumber?.(body) ?? integer(body, 0xffff_ffff);
        mask.inPort = 0xffff_ffff;
        break;
      case 'eth_type':
        this.#ethType(body);
        break;
      case 'vlan':
        this.#vlan(body);
        break;
      case 'encap':
        if (this.#frameType === 'absent' && body === '') this.#frameType = 'none';
        this.#attributes(attributes(body));
        break;
      case 'tcp_flags':
        [key.tcpFlags, mask.tcpFlags] = parseFlags(body, TCP_FLAG_NAMES, 0xfff);
        break;
      case 'ct_state':
        [key.ctState, mask.ctState] = parseFlags(body, CT_STATE_NAMES, 0xffff);
        break;
      case 'ct_label':
        this.#ctLabel(body);
        break;
      case 'tunnel':
        asOdpError(() => parseTunnel(body, key, mask));
        break;
      case 'skb_priority':
        if (!/^0(\/0)?$/.test(body)) throw new OdpParseError('skb_priority is not supported');
        break;
      case 'packet_type':
        if (!/^ns=0(\/0)?,id=0(\/0)?$/.test(body)) {
          throw new OdpParseError('packet_type is not supported');
        }
        break;
      default:
        throw new OdpParseError(`unknown attribute ${name}`);
    }
  }

  #ethType(body: string): void {
    const { key, mask } = this;
    const [value, bits] = splitMask(body);
    const type = integer(value, 0xffff);
    key.dlType = type === 0 && bits === '0xffff' ? FLOW_DL_TYPE_NONE : type;
    mask.dlType = bits === undefined ? 0xffff : integer(bits, 0xffff);
    this.#frameType = 'given';
  }

  /** The `eth_type` before a `vlan` was the tag's. */
  #vlan(body: string): void {
    const { key, mask } = this;
    const type = key.dlType;
    if (this.#tags === 2 || (type !== ETH_P_8021Q && type !== ETH_P_8021AD)) {
      throw new OdpParseError(`vlan(${body}) does not follow the type of a tag`);
    }
    const [tci, bits] = parseTci(body);
    // Cut short: the frame has the type of a tag but no tag.
    if ((tci & 0x1000) === 0) return;
    if (this.#tags++ === 0) {
      [key.vlanTpid0, mask.vlanTpid0, key.vlanTci0, mask.vlanTci0] = [type, 0xffff, tci, bits];
    } else {
      [key.vlanTpid1, mask.vlanTpid1, key.vlanTci1, mask.vlanTci1] = [type, 0xffff, tci, bits];
    }
    key.dlType = 0;
    mask.dlType = 0;
    this.#frameType = 'absent';
  }

  #ctLabel(body: string): void {
    const [value, bits] = splitMask(body);
    if (!/^(0x[0-9a-f]+|\d+)(\/(0x[0-9a-f]+|\d+))?$/i.test(body)) {
      throw new OdpParseError(`bad ct_label ${body}`);
    }
    this.key.ctLabel = BigInt(value);
    this.mask.ctLabel = bits === undefined ? (1n << 128n) - 1n : BigInt(bits);
  }
}

/** Members of `vlan` and `push_vlan`; the CFI bit is set unless `cfi=0`. */
function parseTci(body: string): [tci: number, mask: number] {
  let tci = 0x1000;
  let mask = 0x1000;
  for (const member of body.split(',').filter((m) => m !== '')) {
    const [name = '', text = ''] = member.split('=');
    const [value, bits] = splitMask(text);
    const [shift, full] = name === 'vid' ? [0, 0xfff] : name === 'pcp' ? [13, 7] : [12, 1];
    if (shift === 12 && name !== 'cfi') throw new OdpParseError(`vlan has no member ${member}`);
    tci = (tci & ~(full << shift)) | (integer(value, full) << shift);
    mask |= (bits === undefined ? full : integer(bits, full)) << shift;
  }
  return [tci, mask];
}

/** A flow's key and mask; members that are not named are wildcarded. */
export function parseOdpFlow(
  text: string,
  options: OdpParseOptions = {},
): { key: Flow; mask: Flow } {
  const { key, mask } = new FlowParser(options).parse(text);
  return { key, mask };
}

export function parseOdpActions(text: string, options: OdpParseOptions = {}): OdpAction[] {
  const trimmed = text.trim();
  if (trimmed === 'drop' || trimmed === '') return [];
  return attributes(trimmed).map((a) => parseOdpAction(a, options));
}

function parseOdpAction({ name, body }: Attribute, o: OdpParseOptions): OdpAction {
  if (body === undefined) {
    if (name === 'pop_vlan') return { type: 'pop_vlan' };
    if (name === 'ct') return parseCt('');
    if (name === 'ct_clear') return { type: 'ct_clear' };
    const port = o.portNumber?.(name) ?? (/^\d+$/.test(name) ? Number(name) : undefined);
    if (port === undefined) throw new OdpParseError(`unknown action ${name}`);
    return { type: 'output', port };
  }
  switch (name) {
    case 'push_vlan':
      return parsePushVlan(body);
    case 'set':
      return parseSet(body);
    case 'recirc':
      return { type: 'recirc', id: integer(body, 0xffff_ffff) };
    case 'trunc':
      return { type: 'trunc', maxLen: integer(body, 0xffff_ffff) };
    case 'userspace':
      return parseUserspace(body, o);
    case 'sample':
      return parseSample(body, o);
    case 'clone':
      return { type: 'clone', actions: parseOdpActions(body, o) };
    case 'ct':
      return parseCt(body);
    case 'check_pkt_len':
      return parseCheckPktLen(body, o);
    default:
      throw new OdpParseError(`unsupported action ${name}`);
  }
}

function parseCt(body: string): OdpAction {
  const ct = parseOdpCt(body);
  if (!ct) throw new OdpParseError(`ct(${body})`);
  return ct;
}

function parsePushVlan(body: string): OdpAction {
  const type = /^tpid=([^,]*),(.*)$/.exec(body);
  const tpid = type === null ? ETH_P_8021Q : integer(type[1]!, 0xffff);
  return { type: 'push_vlan', tpid, tci: parseTci(type?.[2] ?? body)[0] };
}

function asOdpError<T>(parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    throw error instanceof TunnelTextError ? new OdpParseError(error.message) : error;
  }
}

function parseSet(text: string): OdpAction {
  const [attribute, ...rest] = attributes(text);
  if (attribute?.body === undefined || rest.length > 0) throw new OdpParseError(`set(${text})`);
  const { name, body } = attribute;
  if (name === 'tunnel') {
    return { type: 'set_tunnel', key: asOdpError(() => parseSetTunnel(body)) };
  }
  const key = new Flow();
  const mask = new Flow();
  if (isScalar(name)) parseField(SCALARS[name], body, key, mask);
  else if (isGroup(name)) {
    parseGroup(name, body, key, mask);
    nameHeaders(name, key, mask);
  } else throw new OdpParseError(`cannot set ${name}`);
  return { type: 'set', key, mask };
}

/** Says, outside of the mask, which headers the key's bytes mean. */
function nameHeaders(name: GroupName, key: Flow, mask: Flow): void {
  const v6 = name === 'icmpv6' || name === 'nd';
  if (name !== 'eth') key.dlType = DL_TYPES[name] ?? (v6 ? 0x86dd : 0x0800);
  const proto = NW_PROTOS[name];
  if (proto !== undefined) key.nwProto = proto;
  // Naming the protocol in an IP header identifies it; it cannot be rewritten.
  else if (networkGroup(key.dlType) !== 'arp') mask.nwProto = 0;
  if (name === 'ipv4' || name === 'ipv6') mask.nwFrag = 0;
}

function parseSample(body: string, o: OdpParseOptions): OdpAction {
  const match = /^sample=(\d+(?:\.\d+)?)%,actions\((.*)\)$/s.exec(body);
  const percent = Number(match?.[1] ?? Number.NaN);
  if (!match || !(percent <= 100)) throw new OdpParseError(`sample(${body})`);
  const probability = Math.min(Math.round((percent / 100) * 2 ** 32), 0xffff_ffff);
  return { type: 'sample', probability, actions: parseOdpActions(match[2]!, o) };
}

function parseCheckPktLen(body: string, o: OdpParseOptions): OdpAction {
  const [first, gt, le, ...more] = attributes(body);
  const size = /^size=(\d+)$/.exec(first?.name ?? '')?.[1];
  const isList = gt?.name === 'gt' && gt.body !== undefined && le?.name === 'le';
  if (size === undefined || !isList || le.body === undefined || more.length > 0) {
    throw new OdpParseError(`check_pkt_len(${body})`);
  }
  return {
    type: 'check_pkt_len',
    size: integer(size, 0xffff),
    greater: parseOdpActions(gt.body!, o),
    lessEqual: parseOdpActions(le.body, o),
  };
}

function parseUserspace(body: string, o: OdpParseOptions): OdpAction {
  const [pid, ...rest] = body.split(/,(.*)/s);
  if (!/^pid=\d+$/.test(pid ?? '')) throw new OdpParseError(`userspace(${body})`);
  const text = rest[0] ?? '';
  const hex = /^userdata\(([^)]*)\)$/.exec(text)?.[1];
  const userdata = o.userdata?.(text) ?? (text === '' ? new Uint8Array() : undefined);
  if (hex === undefined && userdata === undefined) {
    throw new OdpParseError(`unsupported argument ${text}`);
  }
  return { type: 'userspace', userdata: userdata ?? fromHex(hex!) };
}
