/** Hashes of a packet's fields: `multipath`, `bundle` and select groups (ovs-actions(7)). */
import type { HashFields, OfpAct } from '@heddle/openflow';
import type { Flow } from '@heddle/packet';
import type { XlateContext } from './context.ts';
import { outputAction } from './output.ts';
import { lookAtSubfield, markSubfieldWritten, subfieldSet } from './subfield.ts';
import { traceSubfield } from './text.ts';

function mix(hash: number, data: number): number {
  let d = Math.imul(data, 0xcc9e2d51);
  d = Math.imul((d << 15) | (d >>> 17), 0x1b873593);
  const h = hash ^ d;
  return (Math.imul((h << 13) | (h >>> 19), 5) + 0xe6546b64) | 0;
}

function finish(hash: number): number {
  let h = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

export function hashMasked(flow: Flow, mask: Flow, basis: number): number {
  let h = basis | 0;
  for (let i = 0; i < mask.u32.length; i++) {
    const m = mask.u32[i]!;
    if (m !== 0) h = mix(h, flow.u32[i]! & m);
  }
  return finish(h);
}

/** Hashes what `fields` names; the wildcards say that it was looked at. */
export function hashFlow(ctx: XlateContext, fields: HashFields, basis: number): number {
  const { flow, wildcards } = ctx;
  switch (fields) {
    case 'eth_src':
      wildcards.dlSrc = 2 ** 48 - 1;
      return finish(macHash(flow.dlSrc, basis));
    case 'nw_src':
    case 'nw_dst':
      return hashAddress(ctx, fields === 'nw_src' ? 22 : 26, basis);
    default:
      return hashSymmetric(ctx, fields, basis);
  }
}

function macHash(mac: number, basis: number): number {
  return mix(mix(basis | 0, Math.floor(mac / 2 ** 32)), mac | 0);
}

function hashAddress({ flow, wildcards }: XlateContext, first: number, basis: number): number {
  let h = basis | 0;
  const words = flow.dlType === 0x86dd ? 4 : flow.dlType === 0x0800 ? 1 : 0;
  for (let i = first; i < first + words; i++) {
    h = mix(h, flow.u32[i]!);
    wildcards.u32[i] = 0xffff_ffff;
  }
  return finish(h);
}

/** Both directions of a connection hash alike. */
function hashSymmetric(ctx: XlateContext, fields: HashFields, basis: number): number {
  const { flow, wildcards } = ctx;
  let h = basis | 0;
  if (fields === 'symmetric_l4') {
    wildcards.dlSrc = 2 ** 48 - 1;
    wildcards.dlDst = 2 ** 48 - 1;
    wildcards.vlanTci0 |= 0x1fff;
    for (const half of [(m: number) => Math.floor(m / 2 ** 24), (m: number) => m % 2 ** 24]) {
      h = mix(h, half(flow.dlSrc) ^ half(flow.dlDst));
    }
    h = mix(h, flow.vlanTci0 & 0xfff);
  }
  h = mix(h, flow.dlType);
  const isIp = flow.dlType === 0x0800 || flow.dlType === 0x86dd;
  if (!isIp) return finish(h);
  const words = flow.dlType === 0x86dd ? 4 : 1;
  for (let i = 0; i < words; i++) {
    h = mix(h, flow.u32[22 + i]! ^ flow.u32[26 + i]!);
    wildcards.u32[22 + i] = 0xffff_ffff;
    wildcards.u32[26 + i] = 0xffff_ffff;
  }
  if (fields === 'symmetric_l3') return finish(h);
  wildcards.nwProto = 0xff;
  h = mix(h, flow.nwProto);
  const withPorts =
    flow.nwProto === 6 ||
    flow.nwProto === 132 ||
    (flow.nwProto === 17 && fields !== 'symmetric_l3l4');
  if (withPorts) {
    wildcards.tpSrc = 0xffff;
    wildcards.tpDst = 0xffff;
    h = mix(h, flow.tpSrc ^ flow.tpDst);
  }
  return finish(h);
}

export function multipathAction(
  ctx: XlateContext,
  act: Extract<OfpAct, { type: 'multipath' }>,
): void {
  const hash = hashFlow(ctx, act.fields, act.basis);
  const link = ctx.pick() ?? pickLink(hash, act.maxLink + 1, act.algorithm, act.arg);
  lookAtSubfield(ctx, act.dst);
  markSubfieldWritten(ctx, act.dst);
  subfieldSet(ctx.flow, act.dst, BigInt(link));
  traceSubfield(ctx, act.dst);
}

function pickLink(
  hash: number,
  nLinks: number,
  algorithm: Extract<OfpAct, { type: 'multipath' }>['algorithm'],
  arg: number,
): number {
  switch (algorithm) {
    case 'modulo_n':
      return hash % nLinks;
    case 'hash_threshold':
      return nLinks === 1 ? 0 : Math.floor(hash / (Math.floor(0xffff_ffff / nLinks) + 1));
    case 'hrw':
      return highestWeight(hash, nLinks, () => true);
    case 'iter_hash':
      return iterate(hash, nLinks, arg);
  }
}

/** Highest random weight (RFC 2991): links that go move only what they had. */
function highestWeight(hash: number, n: number, usable: (i: number) => boolean): number {
  let best = -1;
  let bestWeight = -1;
  for (let i = 0; i < n; i++) {
    if (!usable(i)) continue;
    const weight = finish(mix(hash | 0, i));
    if (weight > bestWeight) {
      best = i;
      bestWeight = weight;
    }
  }
  return best;
}

/** Hashes again until the link is one of those there are. */
function iterate(hash: number, nLinks: number, modulo: number): number {
  if (modulo < nLinks || modulo / 2 > nLinks) return finish(hash | 0) % nLinks;
  let h = hash;
  for (let i = 0; i < 1000; i++) {
    h = finish(mix(h | 0, i));
    const link = h % modulo;
    if (link < nLinks) return link;
  }
  return h % nLinks;
}

export function bundleAction(ctx: XlateContext, act: Extract<OfpAct, { type: 'bundle' }>): void {
  const isUp = (i: number): boolean => ctx.bridge.ports.get(act.members[i]!)?.isLive === true;
  let index: number;
  if (act.algorithm === 'active_backup') index = act.members.findIndex((_, i) => isUp(i));
  else {
    const hash = hashFlow(ctx, act.fields, act.basis);
    index = highestWeight(hash, act.members.length, isUp);
  }
  let port = index < 0 ? 0xffff : act.members[index]!;
  if (act.dst) {
    if (act.algorithm !== 'active_backup') port = ctx.pick() ?? port;
    lookAtSubfield(ctx, act.dst);
    markSubfieldWritten(ctx, act.dst);
    subfieldSet(ctx.flow, act.dst, BigInt(port));
    traceSubfield(ctx, act.dst);
  } else if (index >= 0) outputAction(ctx, port, 0xffff, false);
  else ctx.drop('no member of the bundle is up');
}
