/** Frames that tell the switches beyond a bond where addresses are now (RFC 903). */
import { ETH_P_RARP, VLAN_CFI } from '@heddle/packet';
import type { OfPort, Ofproto } from '../ofproto.ts';
import { outputTranslate } from '../vlan.ts';
import type { Bond } from './bond.ts';
import { slbBucket } from './hash.ts';

const RARP_REQUEST_REVERSE = 3;

/** One for each address that the bridge has learned elsewhere, at the member that it leaves by. */
export function announcements(
  bridge: Ofproto,
  bond: Bond,
): { readonly port: OfPort; readonly frame: Uint8Array }[] {
  const bundle = bridge.bundles.get(bond.name);
  if (!bundle) return [];
  const out: { port: OfPort; frame: Uint8Array }[] = [];
  for (const entry of bridge.macs.entries()) {
    if (entry.port === bundle) continue;
    const none = { tpid: 0, vid: 0, pcp: 0 };
    const tags = outputTranslate(bundle, [{ ...none, vid: entry.vlan }, none], [none, none]);
    const bucket = slbBucket(entry.mac, tags[0]?.vid ?? 0, bond.settings.hashBasis);
    const member = bond.choose(bucket);
    if (member) out.push({ port: member.port, frame: rarp(entry.mac, tags) });
  }
  return out;
}

function rarp(mac: number, tags: readonly { tpid: number; vid: number; pcp: number }[]): Buffer {
  const frame = Buffer.alloc(60);
  frame.fill(0xff, 0, 6);
  let at = frame.writeUIntBE(mac, 6, 6);
  for (const { tpid, vid, pcp } of tags) {
    at = frame.writeUInt16BE(tpid, at);
    at = frame.writeUInt16BE((pcp << 13) | (vid & ~VLAN_CFI), at);
  }
  at = frame.writeUInt16BE(ETH_P_RARP, at);
  at = frame.writeUInt16BE(1, at);
  at = frame.writeUInt16BE(0x0800, at);
  at = frame.writeUInt16BE(0x0604, at);
  at = frame.writeUInt16BE(RARP_REQUEST_REVERSE, at);
  at = frame.writeUIntBE(mac, at, 6);
  at = frame.writeUInt32BE(0, at);
  frame.writeUIntBE(mac, at, 6);
  return frame;
}
