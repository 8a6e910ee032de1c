/** Attributes of a flow's key from their text. */
import {
  allOnes,
  FLAGS,
  fullMask,
  isFlags,
  isNumber,
  type Member,
  type MemberValue,
  NUMBERS,
  type OdpAttr,
  STRUCTS,
  type StructName,
} from './odp-attrs.ts';
import { FRAG_NAMES } from './odp-fields.ts';
import { scanTunnel } from './odp-parse-tunnel.ts';
import type { Scanner } from './odp-scan.ts';
import { scanFlags } from './odp-scan-flags.ts';

export interface AttrOptions {
  /** Whether members of structs may have masks behind them, `80/0xff`; of the rest they always may. */
  readonly isMasked: boolean;
  /** Port numbers by name. */
  readonly portNumber?: ((name: string) => number | undefined) | undefined;
}

/** Longest list of lists (`encap`). */
const MAX_DEPTH = 32;
const CFI = 2;
const ALL_128 = (1n << 128n) - 1n;
const UFID = /ufid:(?:[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12})/y;
const NAMES = [...Object.keys(STRUCTS), ...Object.keys(NUMBERS), ...Object.keys(FLAGS)]
  .concat('ct_label', 'mpls', 'encap', 'tunnel')
  .map((name) => `${name}(`);

/** A list up to its end; throws a `ScanError` with the scanner where the bad attribute begins. */
export function scanAttrs(s: Scanner, o: AttrOptions): OdpAttr[] {
  const attrs: OdpAttr[] = [];
  for (;;) {
    s.skip(/[\s,]/);
    if (s.isAtEnd) return attrs;
    // It names what the rest describes.
    if (s.match(UFID)) {
      if (!s.isAtEnd && !/\s/.test(s.text[s.at]!)) s.fail();
      continue;
    }
    attrs.push(scanAttr(s, o));
  }
}

/** One attribute; the scanner stays where it is when that is none. */
export function scanAttr(s: Scanner, o: AttrOptions, depth = 0): OdpAttr {
  const start = s.at;
  try {
    const opening = NAMES.find((name) => s.take(name)) ?? s.fail();
    return scanBody(s, opening.slice(0, -1), o, depth);
  } catch (error) {
    s.at = start;
    throw error;
  }
}

function scanBody(s: Scanner, name: string, o: AttrOptions, depth: number): OdpAttr {
  if (isNumber(name)) {
    const attr = scanNumber(s, name, o);
    s.expect(')');
    return attr;
  }
  if (isFlags(name)) {
    const { bits, names } = FLAGS[name];
    const [value, mask] = scanFlags(s, names, bits);
    s.expect(')');
    return { name, value, mask };
  }
  switch (name) {
    case 'ct_label': {
      const value = s.wide(128);
      const mask = s.take('/') ? s.wide(128) : ALL_128;
      s.expect(')');
      return { name, value, mask };
    }
    case 'mpls':
      return scanMpls(s, o);
    case 'encap':
      return { name, attrs: scanEncap(s, o, depth + 1) };
    case 'tunnel':
      return scanTunnel(s);
    default:
      return scanStruct(s, name as StructName, o);
  }
}

function scanNumber(s: Scanner, name: keyof typeof NUMBERS, o: AttrOptions): OdpAttr {
  const { bits } = NUMBERS[name];
  const all = allOnes(bits);
  if (name === 'in_port' && o.portNumber && /[^\s0-9()+-]/.test(s.text[s.at] ?? '')) {
    const value = o.portNumber(s.name()) ?? s.fail();
    return { name, value, mask: all };
  }
  const value = s.number(bits);
  const isExact = name === 'recirc_id';
  const mask = !isExact && s.take('/') ? s.number(bits) : all;
  return { name, value, mask };
}

function scanStruct(s: Scanner, name: StructName, o: AttrOptions): OdpAttr {
  const members: readonly Member[] = STRUCTS[name];
  const values = members.map(
    (member): MemberValue => (member.kind === 'ipv6' ? new Uint8Array(16) : 0),
  );
  const masks = [...values];
  if (name === 'vlan') [values[CFI], masks[CFI]] = [1, 1];
  while (!s.take(')')) {
    const i = members.findIndex((member) => s.take(`${member.name}=`));
    const member = members[i] ?? s.fail();
    values[i] = scanMember(s, member);
    const maskable = o.isMasked && member.kind !== 'frag';
    masks[i] = maskable && s.take('/') ? scanMember(s, member) : fullMask(member);
    if (!s.take(',') && !s.sees(')')) s.fail();
  }
  return { name, values, masks };
}

function scanMember(s: Scanner, member: Member): MemberValue {
  switch (member.kind) {
    case 'mac':
      return s.mac();
    case 'ipv4':
      return s.ipv4();
    case 'ipv6':
      return s.ipv6();
    case 'frag':
      return (FRAG_NAMES.find(([, name]) => s.take(name)) ?? s.fail())[0];
    default:
      return member.isLimited ? limited(s, member.bits) : s.number(member.bits);
  }
}

/** Of a tag, or a flow label. */
function limited(s: Scanner, bits: number): number {
  return s.limited(allOnes(bits), bits <= 16 ? 16 : 32);
}

const LSE = [
  { name: 'label', shift: 12, bits: 20 },
  { name: 'tc', shift: 9, bits: 3 },
  { name: 'ttl', shift: 0, bits: 8 },
  { name: 'bos', shift: 8, bits: 1 },
] as const;
const MAX_LSES = 3;

/** What is said a second time is of the next entry. */
function scanMpls(s: Scanner, o: AttrOptions): OdpAttr {
  const lses = [0];
  const masks = [0];
  let seen = new Set<string>();
  while (!s.take(')')) {
    const part = LSE.find(({ name }) => s.take(`${name}=`)) ?? s.fail();
    if (seen.has(part.name)) {
      if (lses.length === MAX_LSES) s.fail();
      lses.push(0);
      masks.push(0);
      seen = new Set();
    }
    seen.add(part.name);
    const read = (): number => s.limited(allOnes(part.bits));
    const put = (list: number[], v: number): void => {
      list[list.length - 1] = (list.at(-1)! | (v << part.shift)) >>> 0;
    };
    put(lses, read());
    put(masks, o.isMasked && s.take('/') ? read() : allOnes(part.bits));
    if (!s.take(',') && !s.sees(')')) s.fail();
  }
  return { name: 'mpls', lses, masks };
}

function scanEncap(s: Scanner, o: AttrOptions, depth: number): OdpAttr[] {
  if (depth > MAX_DEPTH) s.fail();
  const attrs: OdpAttr[] = [];
  for (;;) {
    s.skip(/[\s,]/);
    if (s.take(')')) return attrs;
    if (s.isAtEnd) s.fail();
    attrs.push(scanAttr(s, o, depth));
  }
}
