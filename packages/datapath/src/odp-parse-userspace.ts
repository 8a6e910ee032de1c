/** `userspace(...)` from its text. */
import { toHex } from '@heddle/packet';
import type { OdpParseOptions, OdpTextAction } from './odp-parse.ts';
import type { Scanner } from './odp-scan.ts';
import { scanFlagSet } from './odp-scan-flags.ts';

/** Bytes of a cookie that is not said, and the fewest of one that is. */
const NO_COOKIE = 48;
const MIN_COOKIE = 8;
const SLOW_REASONS = ['cfm', 'bfd', 'lacp', 'stp', 'lldp', 'action', 'match'];

/** No port: none is said. */
const ODPP_NONE = 0xffff_ffff;

/** A number of so many bits in any base; `u` and `x` as C reads them, of `bool` whether it is zero. */
type Field = readonly [name: string, bits: number, kind?: 'u' | 'x' | 'bool'];

const COOKIES: Readonly<Record<string, readonly Field[]>> = {
  sFlow: [
    ['vid', 12],
    ['pcp', 3],
    ['output', 32],
  ],
  ipfix: [['output_port', 32]],
  flow_sample: [
    ['probability', 16],
    ['collector_set_id', 32],
    ['obs_domain_id', 32],
    ['obs_point_id', 32],
    ['output_port', 32],
  ],
  controller: [
    ['reason', 16, 'u'],
    ['dont_send', 32, 'bool'],
    ['continuation', 32, 'bool'],
    ['recirc_id', 32, 'u'],
    ['rule_cookie', 64, 'x'],
    ['controller_id', 16, 'u'],
    ['max_len', 16, 'u'],
  ],
};

/** Behind `userspace(`, up to the closing parenthesis. */
export function scanUserspace(s: Scanner, o: OdpParseOptions): OdpTextAction {
  s.expect('pid=');
  const pid = s.number(32);
  const known = s.sees(',') ? s.rest.slice(1, closing(s.rest)) : '';
  const own = known === '' ? undefined : o.userdata?.(known);
  if (own) {
    s.at += 1 + known.length;
    return { text: `userspace(pid=${pid},${known})`, action: { type: 'userspace', userdata: own } };
  }
  const [cookie, userdata] = scanCookie(s);
  const actions = s.take(',actions') ? ',actions' : '';
  const out = s.take(',tunnel_out_port=') ? s.number(32) : ODPP_NONE;
  const port = out === ODPP_NONE ? '' : `,tunnel_out_port=${out}`;
  const text = `userspace(pid=${pid},${cookie}${actions}${port})`;
  return { text, action: userdata && { type: 'userspace', userdata } };
}

/** Its text and, of one in plain bytes, these. */
function scanCookie(s: Scanner): [text: string, userdata: Uint8Array | undefined] {
  if (s.take(',userdata(')) {
    const userdata = hexBytes(s);
    const padded = new Uint8Array(Math.max(MIN_COOKIE, userdata.length));
    padded.set(userdata);
    return [`userdata(${toHex(padded)})`, userdata];
  }
  if (s.take(',slow_path(')) return [`slow_path(${slowReasons(s)})`, undefined];
  const name = Object.keys(COOKIES).find((n) => s.take(`,${n}(`));
  if (name !== undefined) return [`${name}(${cookieText(s, name)})`, undefined];
  return [`userdata(${'00'.repeat(NO_COOKIE)})`, new Uint8Array()];
}

/** Where the list ends that the text is in. */
function closing(text: string): number {
  let depth = 0;
  for (let i = 0; i < text.length; i++) {
    if (text[i] === '(') depth++;
    else if (text[i] === ')' && depth-- === 0) return i;
  }
  return text.length;
}

function hexBytes(s: Scanner): Uint8Array {
  const [body] = s.match(/[0-9a-fA-F\s]*/y) ?? s.fail();
  s.expect(')');
  const digits = body.replaceAll(/\s/g, '');
  return digits.length % 2 === 0 ? new Uint8Array(Buffer.from(digits, 'hex')) : s.fail();
}

function slowReasons(s: Scanner): string {
  const bits = scanFlagSet(s, SLOW_REASONS, SLOW_REASONS.length);
  s.expect(')');
  return SLOW_REASONS.filter((_, i) => (bits >>> i) & 1).join(',') || '0';
}

function cookieText(s: Scanner, name: string): string {
  const fields = COOKIES[name]!.map(([field, bits, kind], i) => {
    if (i > 0) s.expect(',');
    s.expect(`${field}=`);
    if (kind === undefined) return `${field}=${s.number(bits)}`;
    if (kind === 'x') {
      const v = s.hex64();
      return `${field}=${v === 0n ? '0' : `0x${v.toString(16)}`}`;
    }
    const v = s.decimal(bits);
    return `${field}=${kind === 'bool' ? Number(v !== 0) : v}`;
  });
  if (name === 'flow_sample') {
    const direction = ['ingress', 'egress'].find((word) => s.take(`,${word}`));
    if (direction !== undefined) fields.push(direction);
  }
  s.expect(')');
  return fields.join(',');
}
