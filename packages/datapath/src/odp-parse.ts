/** Datapath actions from the text that `ovs-dpctl` writes; the inverse of odp-format. */
import { Flow, type NshHeader } from '@heddle/packet';
import type { OdpAction } from './odp-actions.ts';
import type { OdpAttr } from './odp-attrs.ts';
import { isStruct } from './odp-attrs.ts';
import { formatOdpActions } from './odp-format.ts';
import { formatCt, formatPlainAction } from './odp-format-action.ts';
import { formatAttr } from './odp-format-attrs.ts';
import { putAttr } from './odp-key.ts';
import { scanAttr } from './odp-parse-attrs.ts';
import { scanCt as scanCtMembers } from './odp-parse-ct.ts';
import { OdpParseError } from './odp-parse-error.ts';
import { scanUserspace } from './odp-parse-userspace.ts';
import { ScanError, Scanner } from './odp-scan.ts';

export interface OdpParseOptions {
  /** Port numbers by name, for `in_port(veth0)` and outputs. */
  readonly portNumber?: (name: string) => number | undefined;
  /** Bytes of a cookie's text, `slow_path(controller)`; the inverse of the formatter's. */
  readonly userdata?: (text: string) => Uint8Array | undefined;
}

/** An action as it was written. */
export interface OdpTextAction {
  /** Its text, with numbers and names as they are printed. */
  readonly text: string;
  /** Undefined: no datapath here does that. */
  readonly action?: OdpAction | undefined;
}

/** Behind an action of so many characters is something else. */
export class OdpTrailError extends OdpParseError {
  readonly length: number;

  constructor(length: number, rest: string) {
    super(`syntax error at ${rest}`);
    this.length = length;
  }
}

/** Throws an `OdpParseError` for what is none, and for what no datapath here does. */
export function parseOdpActions(text: string, options: OdpParseOptions = {}): OdpAction[] {
  return parseOdpTextActions(text, options).map(({ action, text: written }) => {
    if (!action) throw new OdpParseError(`unsupported action ${written}`);
    return action;
  });
}

/** The same as they were written. */
export function parseOdpTextActions(text: string, options: OdpParseOptions = {}): OdpTextAction[] {
  if (text === 'drop') return [];
  const s = new Scanner(text);
  const actions: OdpTextAction[] = [];
  try {
    for (;;) {
      s.skip(/[\s,]/);
      if (s.isAtEnd) return actions;
      const start = s.at;
      actions.push(scanAction(s, options));
      if (!s.isAtEnd && !/[\s,]/.test(s.text[s.at]!)) throw new OdpTrailError(s.at - start, s.rest);
    }
  } catch (error) {
    if (!(error instanceof ScanError)) throw error;
    throw new OdpParseError(`syntax error at ${s.rest}`);
  }
}

export function formatOdpTextActions(actions: readonly OdpTextAction[]): string {
  return actions.map(({ text }) => text).join(',') || 'drop';
}

function scanAction(s: Scanner, o: OdpParseOptions): OdpTextAction {
  const start = s.at;
  if (/[-+0-9]/.test(s.text[s.at]!)) return plain({ type: 'output', port: s.number(32) });
  const name = s.match(/[^\s,()]+/y)?.[0] ?? s.fail();
  const port = s.sees('(') ? undefined : o.portNumber?.(name);
  if (port !== undefined) return plain({ type: 'output', port });
  for (const [word, action] of WORDS) {
    if (!name.startsWith(word) || (name === 'ct' && s.sees('('))) continue;
    s.at = start + word.length;
    return plain(action);
  }
  const scan = Object.hasOwn(ACTIONS, name) ? ACTIONS[name]! : s.fail();
  s.expect('(');
  const action = scan(s, o);
  s.expect(')');
  return action;
}

const WORDS: readonly (readonly [string, OdpAction])[] = [
  ['pop_vlan', { type: 'pop_vlan' }],
  ['ct_clear', { type: 'ct_clear' }],
  ['ct', { type: 'ct', commit: false, force: false, zone: 0 }],
];

/** By name, from behind the opening parenthesis up to the closing one. */
const ACTIONS: Readonly<Record<string, (s: Scanner, o: OdpParseOptions) => OdpTextAction>> = {
  trunc: (s) => plain({ type: 'trunc', maxLen: s.number(32) }),
  lb_output: (s) => ({ text: `lb_output(${s.decimal()})` }),
  // Decimal, as Open vSwitch reads it, or as it is printed.
  recirc: (s) => plain({ type: 'recirc', id: s.sees('0x') ? s.number(32) : s.decimal() }),
  meter: (s) => plain({ type: 'meter', id: s.number(32) }),
  tnl_pop: (s) => plain({ type: 'tnl_pop', port: s.number(32) }),
  pop_nsh: () => plain({ type: 'pop_nsh' }),
  userspace: scanUserspace,
  set: scanSet,
  push_vlan: scanPushVlan,
  add_mpls: scanAddMpls,
  push_nsh: scanPushNsh,
  ct: scanCt,
  clone: scanClone,
  sample: scanSample,
  check_pkt_len: scanCheckPktLen,
};

function plain(action: OdpAction): OdpTextAction {
  return { text: formatOdpActions([action]), action };
}

function scanPushVlan(s: Scanner): OdpTextAction {
  const tpid = s.take('tpid=') ? s.number(16) : undefined;
  if (tpid !== undefined) s.expect(',');
  s.expect('vid=');
  const vid = s.limited(0xfff);
  s.expect(',pcp=');
  const pcp = s.limited(7);
  const cfi = s.take(',cfi=') ? s.number(32) : 1;
  const tci = (pcp << 13) | (cfi === 0 ? 0 : 0x1000) | vid;
  return plain({ type: 'push_vlan', tpid: tpid ?? 0x8100, tci });
}

/** What is too large for its place reaches into the next one, as far as Open vSwitch reads it. */
const LSE = [
  [',tc=', 9, 0xff],
  [',ttl=', 0, 0xff],
  [',bos=', 8, 0xff],
] as const;

function scanAddMpls(s: Scanner): OdpTextAction {
  s.expect('label=');
  let lse = s.number(32) << 12;
  for (const [name, shift, mask] of LSE) {
    s.expect(name);
    lse |= (s.decimal() & mask) << shift;
  }
  s.expect(',eth_type=0x');
  return plain({ type: 'add_mpls', lse: lse >>> 0, ethertype: s.hex(16) });
}

const MAX_METADATA = 248;

function scanPushNsh(s: Scanner): OdpTextAction {
  const found = { flags: 0, ttl: 63, mdtype: 1, np: 3, spi: 0, si: 255 };
  const bits = { flags: 2, ttl: 6, mdtype: 8, np: 8, si: 8 };
  const context: [number, number, number, number] = [0, 0, 0, 0];
  let metadata = new Uint8Array();
  for (s.skip(/[\s,]/); !s.sees(')'); s.skip(/[\s,]/)) {
    const name = (Object.keys(bits) as (keyof typeof bits)[]).find((n) => s.take(`${n}=`));
    if (name !== undefined) found[name] = s.number(bits[name]);
    else if (s.take('spi=0x')) found.spi = s.hex(24);
    else if (found.mdtype === 1 && /^c[1-4]=0x/.test(s.rest)) {
      const i = Number(s.rest[1]) - 1;
      s.at += 'c1=0x'.length;
      context[i] = s.hex(32);
    } else if (found.mdtype === 2 && s.take('md2=0x')) {
      const [digits] = s.match(/[0-9a-fA-F]+/y) ?? s.fail();
      // Half a byte is none.
      const bytes = Buffer.from(digits.slice(0, digits.length & ~1), 'hex');
      if (bytes.length > MAX_METADATA) s.fail();
      metadata = new Uint8Array(Math.ceil(bytes.length / 4) * 4);
      metadata.set(bytes);
    } else s.fail();
  }
  const { flags, ttl, mdtype, np, spi, si } = found;
  if (mdtype !== 1 && mdtype !== 2) s.fail();
  const header: NshHeader = { flags, ttl, mdtype, np, path: ((spi << 8) | si) >>> 0, context };
  return plain({ type: 'push_nsh', header, ...(mdtype === 2 && { metadata }) });
}

function scanCt(s: Scanner): OdpTextAction {
  const { action, timeout } = scanCtMembers(s);
  if (timeout === undefined) return { text: formatPlainAction(action), action };
  return { text: formatCt(action, timeout) };
}

/** Up to the closing parenthesis. */
function scanList(s: Scanner, o: OdpParseOptions): OdpTextAction[] {
  const actions: OdpTextAction[] = [];
  for (;;) {
    s.skip(/[\s,]/);
    if (s.isAtEnd) s.fail();
    if (s.sees(')')) return actions;
    actions.push(scanAction(s, o));
  }
}

/** What is to be done, if all of it can be. */
function doable(actions: readonly OdpTextAction[]): OdpAction[] | undefined {
  const found = actions.flatMap(({ action }) => action ?? []);
  return found.length === actions.length ? found : undefined;
}

function scanClone(s: Scanner, o: OdpParseOptions): OdpTextAction {
  const list = scanList(s, o);
  const actions = doable(list);
  const text = `clone(${formatOdpTextActions(list)})`;
  return { text, action: actions && { type: 'clone', actions } };
}

function scanSample(s: Scanner, o: OdpParseOptions): OdpTextAction {
  s.expect('sample=');
  const [, number] = s.match(/\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)/y) ?? ['', '0'];
  const percent = Number(number);
  if (!(percent >= 0 && percent <= 100)) s.fail();
  s.expect('%,actions(');
  const list = scanList(s, o);
  s.expect(')');
  const probability = Math.min(Math.round((percent / 100) * 2 ** 32), 0xffff_ffff);
  const shown = ((100 * probability) / 2 ** 32).toFixed(1);
  const actions = doable(list);
  const text = `sample(sample=${shown}%,actions(${formatOdpTextActions(list)}))`;
  return { text, action: actions && { type: 'sample', probability, actions } };
}

function scanCheckPktLen(s: Scanner, o: OdpParseOptions): OdpTextAction {
  const branch = (): OdpTextAction[] => {
    if (s.take('drop')) {
      s.at++;
      return [];
    }
    const list = scanList(s, o);
    s.expect(')');
    return list;
  };
  s.expect('size=');
  const size = s.number(16);
  s.expect(',gt(');
  const gt = branch();
  s.expect(',le(');
  const le = branch();
  const [greater, lessEqual] = [doable(gt), doable(le)];
  const text = `check_pkt_len(size=${size},gt(${formatOdpTextActions(gt)}),le(${formatOdpTextActions(le)}))`;
  const action = greater &&
    lessEqual && { type: 'check_pkt_len' as const, size, greater, lessEqual };
  return { text, action };
}

function scanSet(s: Scanner, o: OdpParseOptions): OdpTextAction {
  const attr = scanAttr(s, { isMasked: true, portNumber: o.portNumber });
  return { text: `set(${formatAttr(attr, { isMasked: true })})`, action: setAction(attr) };
}

const DL_TYPES: Readonly<Record<string, number>> = {
  ipv6: 0x86dd,
  arp: 0x0806,
  icmpv6: 0x86dd,
  nd: 0x86dd,
};
const NW_PROTOS: Readonly<Record<string, number>> = {
  tcp: 6,
  udp: 17,
  sctp: 132,
  icmp: 1,
  icmpv6: 58,
  nd: 58,
};
const SETTABLE = new Set(['eth', 'ipv4', 'ipv6', 'arp', ...Object.keys(NW_PROTOS)]);
const SETTABLE_NUMBERS = new Set(['skb_mark', 'ct_mark', 'ct_zone', 'recirc_id', 'dp_hash']);

/** Undefined when no datapath here does that. */
function setAction(attr: OdpAttr): OdpAction | undefined {
  const [key, mask] = [new Flow(), new Flow()];
  if (attr.name === 'tunnel') {
    putAttr(key, attr);
    return { type: 'set_tunnel', key };
  }
  if (attr.name === 'skb_priority' && attr.mask === 0xffff_ffff) {
    return { type: 'set_priority', priority: attr.value };
  }
  if (attr.name === 'mpls' && attr.lses.length === 1) {
    return { type: 'set_mpls', lse: attr.lses[0]!, mask: attr.masks[0]! };
  }
  const isHeader = isStruct(attr) && SETTABLE.has(attr.name);
  if (!isHeader && !SETTABLE_NUMBERS.has(attr.name)) return undefined;
  putAttr(key, attr);
  putAttr(mask, attr, 'mask');
  if (isHeader) nameHeaders(attr.name, key, mask);
  return { type: 'set', key, mask };
}

/** Says, outside of the mask, which headers the key's bytes mean. */
function nameHeaders(name: string, key: Flow, mask: Flow): void {
  if (name !== 'eth') key.dlType = DL_TYPES[name] ?? 0x0800;
  const proto = NW_PROTOS[name];
  if (proto !== undefined) key.nwProto = proto;
  // Naming the protocol in an IP header identifies it; it cannot be rewritten.
  else if (name !== 'arp') mask.nwProto = 0;
  if (name === 'ipv4' || name === 'ipv6') mask.nwFrag = 0;
}
