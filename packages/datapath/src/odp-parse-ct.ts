/** `ct(...)` from the text that `ovs-dpctl` writes; the inverse of odp-format-action. */
import { parseIpv4, parseIpv6 } from '@heddle/packet';
import type { OdpCtAction, OdpNat } from './odp-actions.ts';

/** Longest name of a helper. */
const MAX_HELPER = 15;
/** Longest name of a policy. */
const MAX_TIMEOUT = 31;
const ALL_128 = (1n << 128n) - 1n;

/** An action; one with a name for its timeouts cannot be done, as policies have numbers here. */
export interface OdpCtText {
  readonly action: OdpCtAction;
  readonly timeout?: string;
}

/** Undefined for what is none. Members come in any order; of two alike the last counts. */
export function parseOdpCt(body: string): OdpCtText | undefined {
  const ct: Draft = { type: 'ct', commit: false, force: false, zone: 0 };
  // Between them commas or spaces; `nat` alone has members of its own.
  for (let rest = body.replace(/^[\s,]+/, ''); rest !== ''; ) {
    const [word, name = '', value] = /^(\w+)(?:=([^\s,()]+)|(\([^()]*\)))?[\s,]*/.exec(rest) ?? [];
    if (word === undefined) return undefined;
    const inner = /^\w+\(([^()]*)\)/.exec(word)?.[1];
    if (!takeMember(ct, name, value, inner)) return undefined;
    if (/[\s,]$/.test(word) && word.length === rest.length) return undefined;
    rest = rest.slice(word.length);
  }
  const { timeoutName, ...action } = ct;
  return timeoutName === undefined ? { action } : { action, timeout: timeoutName };
}

type Draft = { -readonly [K in keyof OdpCtAction]: OdpCtAction[K] } & { timeoutName?: string };

function takeMember(
  ct: Draft,
  name: string,
  value: string | undefined,
  inner: string | undefined,
): boolean {
  if (inner !== undefined && name !== 'nat') return false;
  if (value === undefined) {
    if (name === 'nat') {
      const nat = parseNat(inner ?? '');
      if (nat) ct.nat = nat;
      return nat !== undefined;
    }
    if (name !== 'commit' && name !== 'force_commit') return false;
    if (ct.commit && ct.force !== (name === 'force_commit')) return false;
    ct.commit = true;
    ct.force = name === 'force_commit';
    return true;
  }
  switch (name) {
    case 'zone':
      if (!/^[-+]?\d+$/.test(value)) return false;
      ct.zone = Number(value) & 0xffff;
      return true;
    case 'mark': {
      const mark = masked(value, 0xffff_ffffn);
      if (mark) ct.mark = { value: Number(mark.value), mask: Number(mark.mask) };
      return mark !== undefined;
    }
    case 'label': {
      const label = masked(value, ALL_128);
      if (label) ct.label = label;
      return label !== undefined;
    }
    case 'helper':
      ct.helper = value;
      return value.length <= MAX_HELPER;
    case 'timeout':
      if (/^\d+$/.test(value)) ct.timeout = Number(value);
      else ct.timeoutName = value;
      return value.length <= MAX_TIMEOUT;
    default:
      return false;
  }
}

function masked(text: string, all: bigint): { value: bigint; mask: bigint } | undefined {
  const m = /^(0x[\da-f]+|\d+)(?:\/(0x[\da-f]+|\d+))?$/i.exec(text);
  if (!m) return undefined;
  const value = BigInt(m[1]!);
  const mask = m[2] === undefined ? all : BigInt(m[2]);
  return value > all || mask > all ? undefined : { value, mask };
}

type NatDraft = { -readonly [K in keyof OdpNat]: OdpNat[K] };

function parseNat(body: string): OdpNat | undefined {
  const nat: NatDraft = {};
  for (const member of body.split(/[\s,]+/).filter((m) => m !== '')) {
    const [name = '', range] = member.split(/=(.*)/s);
    if (name === 'src' || name === 'dst') {
      if (nat.direction !== undefined && nat.direction !== name) return undefined;
      nat.direction = name;
      if (range !== undefined && !takeRange(nat, range)) return undefined;
    } else if (
      range !== undefined ||
      (name !== 'persistent' && name !== 'hash' && name !== 'random')
    ) {
      return undefined;
    } else nat[name] = true;
  }
  if (nat.hash && nat.random) return undefined;
  // Without a direction there is nothing that they could choose.
  return nat.direction === undefined ? {} : nat;
}

const V4 = /^([\d.]+)(?:-([\d.]+))?(?::(\d+)(?:-(\d+))?)?$/;
/** With ports the addresses are in brackets. */
const V6 =
  /^\[?([\da-f:.]*:[\da-f:.]*?)\]?(?:-\[?([\da-f:.]*:[\da-f:.]*?)\]?)?(?:(?<=\]):(\d+)(?:-(\d+))?)?$/i;

function takeRange(nat: NatDraft, text: string): boolean {
  const v4 = V4.exec(text);
  const m = v4 ?? V6.exec(text);
  if (!m) return false;
  const read = v4 ? ipv4 : ipv6;
  const min = read(m[1]!);
  const max = m[2] === undefined ? min : read(m[2]);
  const portMin = Number(m[3] ?? 0);
  const portMax = Number(m[4] ?? portMin);
  if (min === undefined || max === undefined || max < min) return false;
  if (portMax < portMin || portMax > 65535) return false;
  Object.assign(nat, { family: v4 ? 4 : 6, min, max });
  if (portMin !== 0) Object.assign(nat, { portMin, portMax });
  return true;
}

function ipv4(text: string): bigint | undefined {
  const ip = parseIpv4(text);
  return ip === undefined ? undefined : BigInt(ip);
}

function ipv6(text: string): bigint | undefined {
  return parseIpv6(text)?.reduce((v, byte) => (v << 8n) | BigInt(byte), 0n);
}
