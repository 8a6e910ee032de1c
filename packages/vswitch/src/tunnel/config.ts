/** Options of a tunnel Interface (ovs-vswitchd.conf.db(5), "Tunnel Options"). */
import { formatIpv4, formatIpv6, isIpv6Endpoint, parseIpv4, parseIpv6 } from '@heddle/packet';

export type TunnelType = 'vxlan' | 'geneve' | 'gre' | 'erspan';
const TUNNEL_TYPES: readonly TunnelType[] = ['erspan', 'geneve', 'gre', 'vxlan'];
/** Types of upstream's that this switch knows of and does not do. */
export const UNSUPPORTED_TUNNELS: ReadonlySet<string> = new Set([
  'bareudp',
  'gtpu',
  'ip6erspan',
  'ip6gre',
  'lisp',
  'stt',
]);

/** 16 bytes; an IPv4 address has the first four. */
export type TunnelAddress = Uint8Array;
/** `none`: packets have no key, or it is 0. */
export type TunnelKey = bigint | 'flow' | 'none';

/** `ver` 0: not set, and no packet can be sent. */
export interface ErspanConfig {
  readonly ver: number | 'flow';
  readonly idx: number | 'flow';
  readonly dir: number | 'flow';
  readonly hwid: number | 'flow';
}

/** What the tunnel carries: `legacy_l3`: packets without Ethernet headers, which bridges see as frames. */
export type PacketType = 'legacy_l2' | 'legacy_l3';

export interface TunnelConfig {
  readonly type: TunnelType;
  readonly packetType: PacketType;
  readonly remote: TunnelAddress | 'flow';
  readonly local: TunnelAddress | 'flow' | undefined;
  readonly inKey: TunnelKey;
  readonly outKey: TunnelKey;
  /** 0: none, as in GRE. */
  readonly dstPort: number;
  readonly ttl: number | 'inherit';
  readonly tos: number | 'inherit';
  readonly dontFragment: boolean;
  readonly csum: boolean;
  readonly seq: boolean;
  readonly gbp: boolean;
  readonly erspan: ErspanConfig;
  readonly egressPktMark: number | undefined;
}

export const DEFAULT_PORTS: Readonly<Record<TunnelType, number>> = {
  vxlan: 4789,
  geneve: 6081,
  gre: 0,
  erspan: 0,
};
const DEFAULT_TTL = 64;

const COMMON = [
  ...['remote_ip', 'local_ip', 'in_key', 'out_key', 'key', 'tos', 'ttl', 'df_default', 'csum'],
  ...['egress_pkt_mark', 'packet_type', 'psk', 'remote_cert', 'remote_name', 'pmtud'],
];
const OWN: Readonly<Record<TunnelType, readonly string[]>> = {
  vxlan: ['dst_port', 'exts'],
  geneve: ['dst_port'],
  gre: ['seq'],
  erspan: ['erspan_ver', 'erspan_idx', 'erspan_dir', 'erspan_hwid'],
};
/** ERSPAN has neither. */
const NOT_ERSPAN = ['csum'];

export interface ParsedTunnel {
  readonly config: TunnelConfig | undefined;
  /** Why there is no tunnel, a line each. */
  readonly errors: readonly string[];
  /** What is passed over. */
  readonly warnings: readonly string[];
}

export function isTunnelType(type: string): type is TunnelType {
  return (TUNNEL_TYPES as readonly string[]).includes(type);
}

export function parseTunnelOptions(
  name: string,
  type: TunnelType,
  options: ReadonlyMap<string, string>,
): ParsedTunnel {
  const errors: string[] = [];
  const warnings: string[] = [];
  const address = (option: string): TunnelAddress | 'flow' | undefined => {
    const text = options.get(option);
    if (text === undefined || text === 'flow') return text;
    const found = parseAddress(text);
    if (!found) errors.push(`${name}: bad ${type} '${option}'`);
    else if (option === 'remote_ip' && isMulticast(found)) {
      errors.push(`${name}: multicast remote_ip=${text} not allowed`);
    } else return found;
    return undefined;
  };
  const remote = address('remote_ip');
  const local = address('local_ip');
  for (const option of options.keys()) {
    const isKnown =
      type === 'erspan' && NOT_ERSPAN.includes(option) ? false : COMMON.includes(option);
    if (!isKnown && !OWN[type].includes(option)) {
      warnings.push(`${name}: unknown ${type} argument '${option}'`);
    }
  }
  const packetType = packetTypeProblem(type, options.get('packet_type'));
  if (packetType !== undefined) {
    errors.push(`${name}: ${packetType}`);
    return { config: undefined, errors, warnings };
  }
  const isMulticastError = errors.some((e) => e.includes('multicast'));
  if (remote === undefined && !isMulticastError) {
    errors.push(`${name}: ${type} type requires valid 'remote_ip' argument`);
  }
  if (remote === undefined) return { config: undefined, errors, warnings };
  if (local === 'flow' && remote !== 'flow') {
    errors.push(`${name}: ${type} type requires 'remote_ip=flow' with 'local_ip=flow'`);
  }
  if (typeof local === 'object' && typeof remote === 'object' && isIpv6(local) !== isIpv6(remote)) {
    errors.push(`${name}: 'remote_ip' and 'local_ip' has to be of the same address family`);
  }
  const extensions = (options.get('exts') ?? '').split(',').filter(Boolean);
  for (const e of extensions) {
    if (e !== 'gbp') errors.push(`${name}: ${type} extension '${e}' is not supported`);
  }
  const erspan = erspanConfig(options, (why) => errors.push(`${name}: ${why}`));
  if (errors.length > 0) return { config: undefined, errors, warnings };
  const config: TunnelConfig = {
    type,
    packetType: options.get('packet_type') === 'legacy_l3' ? 'legacy_l3' : 'legacy_l2',
    remote,
    local,
    inKey: keyOf(options, 'in_key'),
    outKey: keyOf(options, 'out_key'),
    dstPort: portOf(type, options.get('dst_port')),
    ttl: ttlOf(options.get('ttl')),
    tos: tosOf(options.get('tos'), (why) => warnings.push(`${name}: ${why}`)),
    dontFragment: options.get('df_default') !== 'false',
    csum: type !== 'erspan' && options.get('csum') === 'true',
    seq: type === 'gre' && options.get('seq') === 'true',
    gbp: extensions.includes('gbp'),
    erspan,
    egressPktMark: options.has('egress_pkt_mark')
      ? leadingNumber(options.get('egress_pkt_mark')!) >>> 0
      : undefined,
  };
  return { config, errors, warnings };
}

/** Tunnels carry Ethernet frames here, as `legacy_l2` says, and those of GRE others, too. */
function packetTypeProblem(type: TunnelType, text = 'legacy_l2'): string | undefined {
  switch (text) {
    case 'legacy_l2':
      return undefined;
    case 'ptap':
      return `packet_type '${text}' is not supported`;
    case 'legacy_l3': {
      if (type === 'gre') return undefined;
      const what = type === 'vxlan' ? 'VXLAN (without GPE)' : type;
      return `legacy_l3 configured on ${what} tunnel that cannot carry L3 traffic`;
    }
    default:
      return `unknown packet_type '${text}'`;
  }
}

export function parseAddress(text: string): TunnelAddress | undefined {
  const v4 = parseIpv4(text);
  if (v4 === undefined) return parseIpv6(text);
  const bytes = new Uint8Array(16);
  new DataView(bytes.buffer).setUint32(0, v4);
  return bytes;
}

export function isIpv6(address: TunnelAddress): boolean {
  return isIpv6Endpoint(address);
}

function isMulticast(address: TunnelAddress): boolean {
  return isIpv6(address) ? address[0] === 0xff : address[0]! >> 4 === 0xe;
}

export function formatAddress(address: TunnelAddress): string {
  if (isIpv6(address)) return formatIpv6(address);
  return formatIpv4(new DataView(address.buffer, address.byteOffset).getUint32(0));
}

/** As C's strtoull reads a number of any base; what is none is 0. */
function keyOf(options: ReadonlyMap<string, string>, option: string): TunnelKey {
  const text = options.get(option) ?? options.get('key');
  if (text === undefined) return 'none';
  if (text === 'flow') return 'flow';
  const found = /^\s*(0x[0-9a-f]+|0[0-7]*|[1-9]\d*)/i.exec(text)?.[1];
  if (found === undefined) return 0n;
  return BigInt.asUintN(64, BigInt(/^0[0-7]/.test(found) ? `0o${found.slice(1)}` : found));
}

function erspanConfig(
  options: ReadonlyMap<string, string>,
  refuse: (why: string) => void,
): ErspanConfig {
  const read = (name: string, base: 10 | 16, isValid: (n: number) => boolean, what: string) => {
    const text = options.get(`erspan_${name}`);
    if (text === undefined || text === 'flow') return text ?? 0;
    const digits = base === 16 ? /^\s*(?:0x)?([0-9a-f]+)/i.exec(text)?.[1] : text;
    const n = base === 16 ? Number.parseInt(digits ?? '0', 16) : leadingNumber(text);
    if (!isValid(n))
      refuse(`invalid erspan ${what}: ${base === 16 ? `0x${n.toString(16)}` : text}`);
    return n;
  };
  return {
    ver: read('ver', 10, (n) => n === 1 || n === 2, 'version'),
    idx: read('idx', 16, (n) => n <= 0xfffff, 'index'),
    dir: read('dir', 10, (n) => n === 0 || n === 1, 'direction'),
    hwid: read('hwid', 16, (n) => n <= 0x3f, 'hardware ID'),
  } as ErspanConfig;
}

/** As C's atoi. */
function leadingNumber(text: string): number {
  return Number(/^\s*([-+]?\d+)/.exec(text)?.[1] ?? 0);
}

function portOf(type: TunnelType, text: string | undefined): number {
  if (DEFAULT_PORTS[type] === 0 || text === undefined) return DEFAULT_PORTS[type];
  return leadingNumber(text) & 0xffff;
}

function ttlOf(text: string | undefined): number | 'inherit' {
  if (text === undefined) return DEFAULT_TTL;
  return text === 'inherit' ? 'inherit' : leadingNumber(text) & 0xff || DEFAULT_TTL;
}

function tosOf(text: string | undefined, warn: (why: string) => void): number | 'inherit' {
  if (text === undefined) return 0;
  if (text === 'inherit') return 'inherit';
  const tos = /^(0x[0-9a-f]+|\d+)$/i.test(text) ? Number(text) : Number.NaN;
  if (Number.isInteger(tos) && tos <= 0xff && (tos & 3) === 0) return tos;
  warn(`invalid TOS ${text}`);
  return 0;
}

/** What `dpif/show` tells in parentheses, sorted by name. */
export function tunnelConfigText(c: TunnelConfig): string {
  const key = (k: TunnelKey): string => (k === 'none' ? '' : String(k));
  const ends = (a: TunnelAddress | 'flow' | undefined) =>
    a === undefined || a === 'flow' ? a : formatAddress(a);
  const tos = typeof c.tos === 'number' && c.tos !== 0 ? `0x${c.tos.toString(16)}` : c.tos;
  const same = c.inKey === c.outKey;
  const parts: [string, string | number | undefined | false][] = [
    ['csum', c.csum && 'true'],
    ['df_default', !c.dontFragment && 'false'],
    ['dst_port', c.dstPort !== DEFAULT_PORTS[c.type] && c.dstPort],
    ['egress_pkt_mark', c.egressPktMark],
    ...erspanParts(c),
    ['exts', c.gbp && 'gbp'],
    ['in_key', !same && key(c.inKey)],
    ['key', same && key(c.inKey)],
    ['local_ip', ends(c.local)],
    ['out_key', !same && key(c.outKey)],
    ['packet_type', c.packetType !== 'legacy_l2' && c.packetType],
    ['remote_ip', ends(c.remote)],
    ['seq', c.seq && 'true'],
    ['tos', tos !== 0 && tos],
    ['ttl', c.ttl !== DEFAULT_TTL && c.ttl],
  ];
  return parts
    .filter(([, v]) => v !== undefined && v !== false && v !== '')
    .map(([name, v]) => `${name}=${v}`)
    .join(', ');
}

function erspanParts({ type, erspan: e }: TunnelConfig): [string, string | number | false][] {
  if (type !== 'erspan') return [];
  const isFlow = e.ver === 'flow';
  const text = (v: number | 'flow', format: (n: number) => string) =>
    isFlow || v === 'flow' ? 'flow' : format(v);
  const hex = (n: number) => `0x${n.toString(16)}`;
  return [
    ['erspan_dir', (isFlow || e.ver === 2) && text(e.dir, String)],
    ['erspan_hwid', (isFlow || e.ver === 2) && text(e.hwid, hex)],
    ['erspan_idx', (isFlow || e.ver === 1) && text(e.idx, hex)],
    ['erspan_ver', String(e.ver)],
  ];
}

/** `::->1.2.3.4, key=0x7b, legacy_l2, dp port=4789`: what tells tunnels apart. */
export function tunnelMatchText(c: TunnelConfig, odpPort: number): string {
  const end = (a: TunnelAddress | 'flow' | undefined) =>
    a === undefined ? '::' : a === 'flow' ? a : formatAddress(a);
  return `${end(c.local)}->${end(c.remote)}, key=${keyText(c.inKey)}, ${c.packetType}, dp port=${odpPort}`;
}

/** printf's `%#llx`. */
export function keyText(key: TunnelKey): string {
  if (key === 'flow') return key;
  return key === 'none' || key === 0n ? '0' : `0x${key.toString(16)}`;
}
