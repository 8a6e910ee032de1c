/** `ct(...)` from the text that `ovs-dpctl` writes; the inverse of odp-format-action. */
import type { OdpCtAction, OdpNat } from './odp-actions.ts';
import { scanNat } from './odp-parse-nat.ts';
import type { Scanner } from './odp-scan.ts';

/** Longest name of a helper. */
const MAX_HELPER = 15;
/** Longest name of a policy. */
const MAX_TIMEOUT = 31;
const ALL_32 = 0xffff_ffff;
const ALL_128 = (1n << 128n) - 1n;
const NAME = /[^\s,)]+/y;
/** A name for timeouts that is a number of a policy here. */
const POLICY = /^(?:0|[1-9]\d{0,8})$/;

/** An action; one with a name for its timeouts cannot be done, as policies have numbers here. */
export interface OdpCtText {
  readonly action: OdpCtAction;
  readonly timeout?: string;
}

type Draft = { -readonly [K in keyof OdpCtAction]: OdpCtAction[K] } & { timeoutName?: string };

/**
 * Behind `ct(`, up to the closing parenthesis. Members come in any order, with anything or nothing
 * between them; of two alike the last counts.
 */
export function scanCt(s: Scanner): OdpCtText {
  const ct: Draft = { type: 'ct', commit: false, force: false, zone: 0 };
  while (!s.sees(')')) {
    s.skip(/[\s,]/);
    scanMember(s, ct);
  }
  const { timeoutName, ...action } = ct;
  if (action.mark?.mask === 0) delete action.mark;
  if (action.label?.mask === 0n) delete action.label;
  return timeoutName === undefined ? { action } : { action, timeout: timeoutName };
}

function scanMember(s: Scanner, ct: Draft): void {
  if (s.take('commit')) commit(s, ct, false);
  else if (s.take('force_commit')) commit(s, ct, true);
  else if (s.take('zone=')) ct.zone = s.decimal(16);
  else if (s.take('mark=')) {
    const value = s.hex(32);
    ct.mark = { value, mask: s.take('/') ? s.hex(32) : ALL_32 };
  } else if (s.take('label=')) {
    const value = s.wide(128);
    ct.label = { value, mask: s.take('/') ? s.wide(128) : ALL_128 };
  } else if (s.take('helper=')) ct.helper = name(s, MAX_HELPER);
  else if (s.take('timeout=')) {
    const policy = name(s, MAX_TIMEOUT);
    if (POLICY.test(policy)) ct.timeout = Number(policy);
    else ct.timeoutName = policy;
  } else if (s.take('nat')) ct.nat = nat(s);
  else s.fail();
}

function commit(s: Scanner, ct: Draft, force: boolean): void {
  if (ct.commit && ct.force !== force) s.fail();
  ct.commit = true;
  ct.force = force;
}

function name(s: Scanner, max: number): string {
  const [text] = s.match(NAME) ?? s.fail();
  return text.length > max ? s.fail() : text;
}

function nat(s: Scanner): OdpNat {
  if (!s.take('(')) return {};
  const found = scanNat(s);
  s.expect(')');
  return found;
}
