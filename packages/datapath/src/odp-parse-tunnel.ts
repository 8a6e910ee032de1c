/** `tunnel(...)` from its text. */
import {
  FLOW_TNL_F_CSUM,
  FLOW_TNL_F_DONT_FRAGMENT,
  FLOW_TNL_F_KEY,
  FLOW_TNL_F_OAM,
  TUN_OPTS_MAX,
} from '@heddle/packet';
import type { ErspanMembers, TunnelAttr, TunnelMember } from './odp-attrs.ts';
import type { Scanner } from './odp-scan.ts';
import { scanFlags } from './odp-scan-flags.ts';

const FLAG_NAMES = ['oam', 'df', 'csum', 'key'];
const FLAGS_ALL = 2 ** FLAG_NAMES.length - 1;
/** What the text can say; a key is there when `tun_id` is. */
const SAID = FLOW_TNL_F_OAM | FLOW_TNL_F_DONT_FRAGMENT | FLOW_TNL_F_CSUM;
const U64 = (1n << 64n) - 1n;

/** Bytes of a Geneve option. */
const MAX_CONTENT = 124;

type Reader<T> = (s: Scanner) => T;

const MEMBERS: Readonly<Record<string, (s: Scanner) => TunnelMember>> = {
  'tun_id=': (s) => ({ name: 'tun_id', ...masked(s, id, U64) }),
  'src=': (s) => ({ name: 'src', ...masked(s, (r) => r.ipv4(), 0xffff_ffff) }),
  'dst=': (s) => ({ name: 'dst', ...masked(s, (r) => r.ipv4(), 0xffff_ffff) }),
  'ipv6_src=': (s) => ({ name: 'ipv6_src', ...masked(s, (r) => r.ipv6(), all16()) }),
  'ipv6_dst=': (s) => ({ name: 'ipv6_dst', ...masked(s, (r) => r.ipv6(), all16()) }),
  'tos=': (s) => ({ name: 'tos', ...masked(s, (r) => r.number(8), 0xff) }),
  'ttl=': (s) => ({ name: 'ttl', ...masked(s, (r) => r.number(8), 0xff) }),
  'tp_src=': (s) => ({ name: 'tp_src', ...masked(s, (r) => r.number(16), 0xffff) }),
  'tp_dst=': (s) => ({ name: 'tp_dst', ...masked(s, (r) => r.number(16), 0xffff) }),
  'erspan(': scanErspan,
  'vxlan(gbp(': scanGbp,
  'geneve(': scanGeneve,
  'gtpu(': scanGtpu,
};

/** Behind `tunnel(`. */
export function scanTunnel(s: Scanner): TunnelAttr {
  const members: TunnelMember[] = [];
  let [flags, flagsMask] = [0, 0];
  const attrs = { key: 0, mask: 0 };
  while (!s.take(')')) {
    if (s.take('flags(')) {
      const [value, mask] = s.sees(')') ? [0, 0xffff] : scanFlags(s, FLAG_NAMES, FLAG_NAMES.length);
      s.expect(')');
      flags |= value;
      flagsMask |= mask === FLAGS_ALL ? 0xffff : mask;
      attrs.key += attrsOfFlags(value);
      attrs.mask += attrsOfFlags(mask);
    } else {
      const opening = Object.keys(MEMBERS).find((name) => s.take(name)) ?? s.fail();
      const member = MEMBERS[opening]!(s);
      const isSaid = member.name !== 'vxlan' || isNonzero(member.gbp);
      if (isSaid) members.push(member);
      attrs.key += Number(isSaid);
      attrs.mask += Number(member.name !== 'vxlan' || isNonzero(member.mask));
    }
    if (!s.take(',') && !s.sees(')')) s.fail();
  }
  const tunId = members.findLast((member) => member.name === 'tun_id');
  const key = tunId ? FLOW_TNL_F_KEY : 0;
  const keyMask = tunId && tunId.mask !== 0n ? FLOW_TNL_F_KEY : 0;
  return {
    name: 'tunnel',
    members,
    flags: (flags & SAID) | key,
    flagsMask: flagsMask | keyMask,
    isMaskAlike: attrs.key === attrs.mask,
  };
}

/** Each flag that can be said is an attribute. */
function attrsOfFlags(flags: number): number {
  return [...(flags & SAID).toString(2)].filter((bit) => bit === '1').length;
}

function isNonzero({ id, flags }: { readonly id: number; readonly flags: number }): boolean {
  return id !== 0 || flags !== 0;
}

function id(s: Scanner): bigint {
  return BigInt.asUintN(64, s.integer());
}

function all16(): Uint8Array {
  return new Uint8Array(16).fill(0xff);
}

function masked<T>(s: Scanner, read: Reader<T>, all: T): { value: T; mask: T } {
  const value = read(s);
  return { value, mask: s.take('/') ? read(s) : all };
}

/** Which of the members are said, in this order, one comma or none between two of them. */
function scanMembers<K extends string>(
  s: Scanner,
  bits: Readonly<Record<K, number>>,
): { value: Record<K, number>; mask: Record<K, number> } {
  const names = Object.keys(bits) as K[];
  const zeros = (): Record<K, number> =>
    Object.fromEntries(names.map((name) => [name, 0])) as Record<K, number>;
  const [value, mask] = [zeros(), zeros()];
  for (const [i, name] of names.entries()) {
    if (i > 0) s.take(',');
    if (!s.take(`${name}=`)) continue;
    const part = masked(s, (r) => r.number(bits[name]), 2 ** bits[name] - 1);
    [value[name], mask[name]] = [part.value, part.mask];
  }
  return { value, mask };
}

function scanGbp(s: Scanner): TunnelMember {
  const { value, mask } = scanMembers(s, { id: 16, flags: 8 });
  s.expect('))');
  return { name: 'vxlan', gbp: value, mask };
}

/** One without an end says nothing; what follows is the tunnel's. */
function scanGtpu(s: Scanner): TunnelMember {
  const found = scanMembers(s, { flags: 8, msgtype: 8 });
  if (s.take(')')) return { name: 'gtpu', ...found };
  return {
    name: 'gtpu',
    value: { flags: 0, msgtype: 0 },
    mask: { flags: 0xff, msgtype: 0xff },
  };
}

/** The version comes first and says what else there is. As for `gtpu` of an end. */
function scanErspan(s: Scanner): TunnelMember {
  s.expect('ver=');
  const ver = masked(s, (r) => r.number(8), 0xff);
  s.take(',');
  const none = { idx: 0, dir: 0, hwid: 0 };
  let rest: { value: Partial<ErspanMembers>; mask: Partial<ErspanMembers> };
  if (ver.value === 1) rest = scanMembers(s, { idx: 32 });
  else if (ver.value === 2) rest = scanMembers(s, { dir: 1, hwid: 4 });
  else return s.fail();
  if (!s.take(')')) {
    return { name: 'erspan', value: { ...none, ver: 0 }, mask: { ...none, ver: 0xff } };
  }
  return {
    name: 'erspan',
    value: { ...none, ...rest.value, ver: ver.value },
    mask: { ...none, ...rest.mask, ver: ver.mask },
  };
}

/** `{class=0x102,type=0x80,len=4,0x10002}` each. */
function scanGeneve(s: Scanner): TunnelMember {
  const value: number[] = [];
  const mask: number[] = [];
  while (s.take('{')) {
    const part = (name: string, bits: number) =>
      s.take(name) ? masked(s, (r) => r.number(bits), 2 ** bits - 1) : { value: 0, mask: 0 };
    const cls = part('class=', 16);
    s.take(',');
    const type = part('type=', 8);
    s.take(',');
    const hasLength = s.sees('len=');
    const len = hasLength ? part('len=', 8) : { value: 0, mask: 0xff };
    if (len.value % 4 !== 0 || len.value > MAX_CONTENT) s.fail();
    value.push(cls.value >> 8, cls.value & 0xff, type.value, len.value / 4);
    mask.push(cls.mask >> 8, cls.mask & 0xff, type.mask, len.mask === 0 ? 0 : 0x1f);
    const data = hasLength && s.take(',') ? masked(s, content, undefined) : undefined;
    value.push(...bytes(s, data?.value ?? 0n, len.value));
    const all = (1n << BigInt(8 * len.value)) - 1n;
    mask.push(...bytes(s, data?.mask ?? all, len.value));
    s.expect('}');
    if (value.length > TUN_OPTS_MAX) s.fail();
  }
  s.expect(')');
  return { name: 'geneve', value: Uint8Array.from(value), mask: Uint8Array.from(mask) };
}

function content(s: Scanner): bigint | undefined {
  return s.wide(8 * MAX_CONTENT);
}

function bytes(s: Scanner, v: bigint, length: number): number[] {
  if (v >> BigInt(8 * length) !== 0n) s.fail();
  return Array.from({ length }, (_, i) => Number((v >> BigInt(8 * (length - 1 - i))) & 0xffn));
}
