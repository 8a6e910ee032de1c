/** Random masks that the dummy datapath accepts for the packet. */
import { Flow } from '@heddle/packet';
import { GROUPS, networkGroup, type OdpField, transportGroup } from '../odp-fields.ts';
import type { Random } from './random-frame.ts';

/** The first field is never wildcarded: text without the attribute would not be taken back. */
function widen(r: Random, mask: Flow, fields: readonly OdpField[]): void {
  const first = fields[0]!;
  if (first.kind === 'ipv6') mask[first.key] = new Uint8Array(16).fill(255);
  else mask[first.key] = first.full;
  for (const f of fields.slice(1)) {
    if (f.name === 'proto' || f.name === 'frag' || r.chance(40)) continue;
    if (f.kind === 'ipv6') mask[f.key] = r.chance(50) ? r.bytes(16) : new Uint8Array(16).fill(255);
    else mask[f.key] = r.chance(50) ? f.full : r.below(f.full + 1);
  }
}

/** Types, protocol and fragment bits are exact, as upstream's translator makes them. */
export function randomMask(r: Random, flow: Flow): Flow {
  const mask = new Flow();
  mask.inPort = 0xffff_ffff;
  mask.recircId = 0xffff_ffff;
  mask.dlType = 0xffff;
  widen(r, mask, GROUPS.eth);
  mask.vlanTci0 = flow.vlanTci0 === 0 ? 0xffff : 0x1000 | r.below(0x10000);
  mask.vlanTci1 = flow.vlanTci1 === 0 ? 0xffff : 0x1000 | r.below(0x10000);
  if (flow.vlanTci0 !== 0) mask.vlanTpid0 = 0xffff;
  if (flow.vlanTci1 !== 0) mask.vlanTpid1 = 0xffff;
  const network = networkGroup(flow.dlType);
  if (network === undefined) return mask;
  widen(r, mask, GROUPS[network]);
  if (network === 'arp') return mask;
  mask.nwFrag = 3;
  mask.nwProto = 0xff;
  const transport = (flow.nwFrag & 2) === 0 && transportGroup(flow.dlType, flow.nwProto);
  if (!transport) return mask;
  widen(r, mask, GROUPS[transport]);
  if (transport === 'tcp' && r.chance(60)) mask.tcpFlags = r.chance(50) ? 0xfff : r.below(0x1000);
  if (transport === 'icmpv6') mask.tpDst = 0xff;
  const isNd =
    transport === 'icmpv6' && flow.tpDst === 0 && (flow.tpSrc === 135 || flow.tpSrc === 136);
  if (isNd) {
    mask.tpSrc = 0xff;
    mask.tpDst = 0xff;
    widen(r, mask, GROUPS.nd);
  }
  return mask;
}
