/** Text of datapath flows and actions, as `ovs-dpctl dump-flows` writes it. */
import {
  ETH_P_8021AD,
  ETH_P_8021Q,
  FLOW_DL_TYPE_NONE,
  type Flow,
  formatIpv4,
  formatIpv6,
  formatMac,
  isTunnelled,
  toHex,
} from '@heddle/packet';
import type { FlowStats, InstalledFlow } from './dpif.ts';
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
  transportGroup,
} from './odp-fields.ts';
import { formatPlainAction } from './odp-format-action.ts';
import { formatTnlPush } from './odp-tnl-header.ts';
import { formatTunnel } from './odp-tunnel.ts';
import type { Ufid } from './odp-ufid.ts';

export interface OdpFormatOptions {
  /** `-m`: ufid, port names and wildcarded fields, too. */
  readonly verbose?: boolean;
  /** Names instead of port numbers. */
  readonly portName?: (port: number) => string | undefined;
  /** The userspace datapath writes `packet_type(ns=0,id=0)` and then leaves out an empty `eth()`. */
  readonly packetType?: boolean;
  /** As `dpif/dump-flows` has them: a bridge's flows, not a datapath's. */
  readonly ofBridge?: boolean;
  /** Netlink port of `userspace(pid=N)`; 0 by default. */
  readonly upcallPid?: number;
  /** Text of a cookie, `slow_path(controller)`; its bytes in hex when undefined. */
  readonly userdata?: (userdata: Uint8Array) => string | undefined;
}

/** printf's `%#x`. */
function hex(v: number): string {
  return v === 0 ? '0' : `0x${v.toString(16)}`;
}

function hex4(v: number): string {
  return `0x${v.toString(16).padStart(4, '0')}`;
}

function numberText(kind: OdpNumberKind, v: number): string {
  switch (kind) {
    case 'dec':
      return String(v);
    case 'hex':
      return hex(v);
    case 'mac':
      return formatMac(v);
    case 'ipv4':
      return formatIpv4(v);
    case 'frag':
      return FRAG_NAMES.find(([value]) => value === (v & 3))?.[1] ?? '<error>';
  }
}

/** `value` or `value/mask`; undefined when wildcarded and not to be shown. */
function fieldText(
  f: OdpField,
  key: Flow,
  mask: Flow | undefined,
  all: boolean,
): string | undefined {
  if (f.kind === 'ipv6') {
    const bits = mask?.[f.key];
    const value = formatIpv6(key[f.key]);
    if (bits === undefined || bits.every((b) => b === 0xff)) return value;
    return all || bits.some((b) => b !== 0) ? `${value}/${formatIpv6(bits)}` : undefined;
  }
  const bits = mask?.[f.key];
  // An operation of 255 is written in the 16 bits that ARP has for it.
  const op = f.name === 'op' && key.nwProto === 0xff ? 0xffff : undefined;
  const value = numberText(f.kind, op ?? key[f.key]);
  // A fragment flag has two bits of meaning; its wildcard is never shown.
  if (f.kind === 'frag') return bits === undefined || (bits & 3) !== 0 ? value : undefined;
  if (bits === undefined || (bits & f.full) >>> 0 === f.full || bits === f.full) return value;
  if (bits === 0 && !all) return undefined;
  return `${value}/${f.kind === 'dec' ? hex(bits) : numberText(f.kind, bits)}`;
}

function groupBody(
  fields: readonly OdpField[],
  key: Flow,
  mask: Flow | undefined,
  all: boolean,
): string {
  return fields
    .flatMap((f) => {
      const text = fieldText(f, key, mask, all);
      return text === undefined ? [] : [`${f.name}=${text}`];
    })
    .join(',');
}

class FlowText {
  readonly parts: string[] = [];
  readonly #key: Flow;
  readonly #mask: Flow | undefined;
  readonly #o: OdpFormatOptions;
  readonly #all: boolean;

  constructor(key: Flow, mask: Flow | undefined, o: OdpFormatOptions) {
    this.#key = key;
    this.#mask = mask;
    this.#o = o;
    this.#all = mask === undefined || (o.verbose ?? false);
  }

  format(): string {
    if (this.#all) this.parts.push(this.#mask ? 'skb_priority(0/0)' : 'skb_priority(0)');
    this.#tunnel();
    this.#scalar('skb_mark');
    this.#ctState();
    this.#scalar('ct_zone');
    this.#scalar('ct_mark');
    this.#ctLabel();
    this.#scalar('recirc_id', true);
    this.#scalar('dp_hash');
    const port = this.#key.inPort;
    if (this.#mask?.inPort !== 0) this.parts.push(`in_port(${this.#o.portName?.(port) ?? port})`);
    if (this.#o.packetType) this.parts.push('packet_type(ns=0,id=0)');
    this.#group('eth', !this.#o.packetType);
    const closing = this.#vlans();
    this.#network();
    return this.parts.join(',') + closing;
  }

  #tunnel(): void {
    if (!isTunnelled(this.#key)) return;
    const text = formatTunnel(this.#key, this.#mask, this.#all);
    if (text !== '') this.parts.push(`tunnel(${text})`);
  }

  #scalar(name: ScalarName, always = false): void {
    const text = fieldText(SCALARS[name], this.#key, this.#mask, this.#all || always);
    if (text !== undefined) this.parts.push(`${name}(${text})`);
  }

  #ctState(): void {
    const bits = this.#mask?.ctState;
    const value = this.#key.ctState;
    if (bits === undefined) this.parts.push(`ct_state(${hex(value)})`);
    else if (bits === 0) {
      if (this.#all) this.parts.push('ct_state(0/0)');
    } else if (this.#all) this.parts.push(`ct_state(${hex(value)}/${hex(bits)})`);
    else this.parts.push(`ct_state(${signedFlags(CT_STATE_NAMES, value, bits)})`);
  }

  #ctLabel(): void {
    const bits = this.#mask?.ctLabel;
    const big = (v: bigint): string => (v === 0n ? '0' : `0x${v.toString(16)}`);
    const value = big(this.#key.ctLabel);
    if (bits === undefined || bits === (1n << 128n) - 1n) this.parts.push(`ct_label(${value})`);
    else if (bits !== 0n || this.#all) this.parts.push(`ct_label(${value}/${big(bits)})`);
  }

  /** `always` keeps the name when no member is shown, `eth()`. */
  #group(name: GroupName, always = false): void {
    const body = groupBody(GROUPS[name], this.#key, this.#mask, this.#all);
    if (body !== '' || always) this.parts.push(`${name}(${body})`);
  }

  /** Tags and `eth_type`; returns the parentheses that close the `encap`s. */
  #vlans(): string {
    const key = this.#key;
    const mask = this.#mask;
    const tags = [
      [key.vlanTpid0, key.vlanTci0, mask?.vlanTci0],
      [key.vlanTpid1, key.vlanTci1, mask?.vlanTci1],
    ] as const;
    let closing = '';
    let prefix = '';
    for (const [tpid, tci, bits] of tags) {
      if ((tci & 0x1000) === 0) break;
      const body = vlanBody(tci, bits, this.#all);
      this.parts.push(`${prefix}eth_type(${hex4(tpid || ETH_P_8021Q)})`);
      if (body !== '') this.parts.push(`vlan(${body})`);
      prefix = 'encap(';
      closing += ')';
    }
    const type = this.#ethType(closing.length);
    if (prefix !== '') this.parts.push(prefix + (type ?? ''));
    else if (type !== undefined) this.parts.push(type);
    return closing;
  }

  /** A VLAN type after fewer than two tags is a tag cut short, not a third one. */
  #ethType(tags: number): string | undefined {
    const bits = this.#mask?.dlType;
    const type = this.#key.dlType;
    if (tags < 2 && (type === ETH_P_8021Q || type === ETH_P_8021AD)) {
      return `eth_type(${hex4(type)}),vlan(vid=0,pcp=0,cfi=0),encap()`;
    }
    if (type === FLOW_DL_TYPE_NONE) {
      return tags === 0 && bits !== undefined && bits !== 0 ? 'eth_type(0/0xffff)' : undefined;
    }
    if (bits === undefined || bits === 0xffff) return `eth_type(${hex4(type)})`;
    return bits !== 0 || this.#all ? `eth_type(${hex4(type)}/${hex4(bits)})` : undefined;
  }

  #network(): void {
    const key = this.#key;
    if (this.#mask?.dlType === 0) return;
    const network = networkGroup(key.dlType);
    if (network === undefined) return;
    this.#group(network);
    const unknown = this.#mask?.nwProto === 0 && !this.#all;
    if (network === 'arp' || unknown || (key.nwFrag & 2) !== 0) return;
    const transport = transportGroup(key.dlType, key.nwProto);
    if (transport === undefined) return;
    this.#group(transport);
    if (transport === 'tcp') this.#tcpFlags();
    const isNd = key.tpDst === 0 && (key.tpSrc === 135 || key.tpSrc === 136);
    if (transport === 'icmpv6' && isNd) this.#group('nd');
  }

  #tcpFlags(): void {
    const value = this.#key.tcpFlags;
    const bits = this.#mask?.tcpFlags;
    if (value === 0 && bits === undefined) return;
    if (bits === undefined || (bits & 0xfff) === 0xfff) {
      this.parts.push(`tcp_flags(${formatTcpFlags(value)})`);
    } else if (bits !== 0) {
      this.parts.push(`tcp_flags(${signedFlags(TCP_FLAG_NAMES, value, bits)})`);
    } else if (value !== 0 && this.#all) this.parts.push('tcp_flags(0/0)');
  }
}

function vlanBody(tci: number, bits: number | undefined, all: boolean): string {
  const body: string[] = [];
  const member = (name: string, v: number, m: number, full: number): void => {
    if (m === full) body.push(`${name}=${v}`);
    else if (m !== 0 || all) body.push(`${name}=${v}/0x${m.toString(16)}`);
  };
  const mask = bits ?? 0xffff;
  member('vid', tci & 0xfff, mask & 0xfff, 0xfff);
  member('pcp', tci >>> 13, mask >>> 13, 7);
  return body.join(',');
}

/** `+syn-ack`: the bits that the mask looks at, set or clear. */
function signedFlags(names: readonly string[], value: number, mask: number): string {
  let text = '';
  for (let i = 0; mask >>> i !== 0; i++) {
    const sign = (value >>> i) & 1 ? '+' : '-';
    if ((mask >>> i) & 1) text += sign + (names[i] ?? `[${(1 << i).toString(16)}]`);
  }
  return text;
}

/** `syn|ack`, `0` when there is none; bits without a name as `[800]`. */
export function formatTcpFlags(flags: number): string {
  const names: string[] = [];
  for (let i = 0; i < 12; i++) {
    if ((flags >>> i) & 1) names.push(TCP_FLAG_NAMES[i] ?? `[${(1 << i).toString(16)}]`);
  }
  return names.join('|') || '0';
}

/** Without a mask every field is shown, as the key of an upcall. */
export function formatOdpFlow(key: Flow, mask?: Flow, options: OdpFormatOptions = {}): string {
  return new FlowText(key, mask, options).format();
}

const STAT_FLAGS: readonly (readonly [bit: number, letter: string])[] = [
  [0x02, 'S'],
  [0x01, 'F'],
  [0x08, 'P'],
  [0x04, 'R'],
  [0x20, 'U'],
  [0x10, '.'],
  [0x40, 'E'],
  [0x80, 'C'],
  [0x100, 'N'],
];

/** `packets:3, bytes:200, used:0.123s, flags:SFP.` */
export function formatFlowStats(stats: FlowStats, nowMs: number): string {
  let text = `packets:${stats.packets}, bytes:${stats.bytes}, used:`;
  text += stats.usedMs === undefined ? 'never' : `${seconds(nowMs - stats.usedMs)}s`;
  if (stats.tcpFlags === 0) return text;
  text += ', flags:';
  for (const [bit, letter] of STAT_FLAGS) if (stats.tcpFlags & bit) text += letter;
  const rest = stats.tcpFlags & ~0x1ff;
  return rest === 0 ? text : `${text}[${rest.toString(16)}]`;
}

function seconds(ms: number): string {
  return (Math.max(0, ms) / 1000).toFixed(3);
}

function formatUfid(id: Ufid): string {
  const ufid = id.toString();
  const [a, b, c, d] = [
    ufid.slice(0, 8),
    ufid.slice(8, 12),
    ufid.slice(12, 16),
    ufid.slice(16, 20),
  ];
  return `${a}-${b}-${c}-${d}-${ufid.slice(20)}`;
}

/** One line of `dump-flows`. */
export function formatInstalledFlow(
  flow: InstalledFlow,
  nowMs: number,
  options: OdpFormatOptions = {},
): string {
  const comma = options.ofBridge ? ' ' : ', ';
  const ufid = options.verbose ? `ufid:${formatUfid(flow.ufid)}${comma}` : '';
  const key = formatOdpFlow(flow.key, flow.mask, options);
  const dp = options.verbose && !options.ofBridge ? ', dp:ovs' : '';
  const actions = formatOdpActions(flow.actions, options);
  return `${ufid}${key}, ${formatFlowStats(flow.stats, nowMs)}${dp}, actions:${actions}`;
}

export function formatOdpActions(
  actions: readonly OdpAction[],
  options: OdpFormatOptions = {},
): string {
  let text = '';
  for (let i = 0; i < actions.length; i++) {
    text += `${i === 0 ? '' : ','}${formatOdpAction(actions[i]!, options)}`;
  }
  return text === '' ? 'drop' : text;
}

function formatOdpAction(a: OdpAction, o: OdpFormatOptions): string {
  switch (a.type) {
    case 'output':
      return o.portName?.(a.port) ?? String(a.port);
    case 'push_vlan':
      return formatPushVlan(a.tpid, a.tci);
    case 'pop_vlan':
    case 'drop':
      return a.type;
    case 'set':
      return formatSet(a.key, a.mask);
    case 'set_tunnel':
      return `set(tunnel(${formatTunnel(a.key, undefined, true)}))`;
    case 'tnl_push':
      return formatTnlPush(a, (port) => o.portName?.(port) ?? String(port));
    case 'tnl_pop':
      return `tnl_pop(${o.portName?.(a.port) ?? a.port})`;
    case 'userspace': {
      const data = o.userdata?.(a.userdata) ?? `userdata(${toHex(a.userdata)})`;
      return `userspace(pid=${o.upcallPid ?? 0},${data})`;
    }
    case 'recirc':
      return `recirc(${hex(a.id)})`;
    case 'trunc':
      return `trunc(${a.maxLen})`;
    case 'clone':
      return `clone(${formatOdpActions(a.actions, o)})`;
    case 'sample': {
      const percent = ((100 * a.probability) / 2 ** 32).toFixed(1);
      return `sample(sample=${percent}%,actions(${formatOdpActions(a.actions, o)}))`;
    }
    case 'check_pkt_len': {
      const [gt, le] = [formatOdpActions(a.greater, o), formatOdpActions(a.lessEqual, o)];
      return `check_pkt_len(size=${a.size},gt(${gt}),le(${le}))`;
    }
    default:
      return formatPlainAction(a);
  }
}

function formatPushVlan(tpid: number, tci: number): string {
  const type = tpid === 0x8100 ? '' : `tpid=${hex4(tpid)},`;
  const cfi = tci & 0x1000 ? '' : ',cfi=0';
  return `push_vlan(${type}vid=${tci & 0xfff},pcp=${tci >>> 13}${cfi})`;
}

/** One `set(...)` for each attribute that has bits in the mask. */
function formatSet(key: Flow, mask: Flow): string {
  const sets: string[] = [];
  const add = (name: string, body: string): void => {
    if (body !== '') sets.push(`set(${name}(${body}))`);
  };
  for (const name of ['skb_mark', 'ct_mark'] as const) {
    add(name, fieldText(SCALARS[name], key, mask, false) ?? '');
  }
  add('eth', groupBody(GROUPS.eth, key, mask, false));
  for (const name of setGroups(key)) add(name, groupBody(GROUPS[name], key, mask, false));
  return sets.join(',');
}

/** The key of a `set` carries `dlType` and `nwProto`, unmasked, to say which header is meant. */
function setGroups(key: Flow): GroupName[] {
  const network = networkGroup(key.dlType);
  if (network === undefined) return [];
  const transport = network === 'arp' ? undefined : transportGroup(key.dlType, key.nwProto);
  if (transport === undefined) return [network];
  return transport === 'icmpv6' ? [network, transport, 'nd'] : [network, transport];
}
