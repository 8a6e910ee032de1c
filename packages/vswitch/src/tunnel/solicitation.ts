/** The frame that asks who has an address: an ARP request (RFC 826), or RFC 4861, section 4.3. */
import { arp, ethernet, ipv6, nd } from '@heddle/packet/build';
import { formatAddress, isIpv6, type TunnelAddress } from './config.ts';

const ARP_REQUEST = 1;
const ND_SOLICIT = 135;
const BROADCAST = 'ff:ff:ff:ff:ff:ff';
const HOP_LIMIT = 255;

export function solicitation(
  mac: number,
  source: TunnelAddress,
  target: TunnelAddress,
): Uint8Array {
  if (!isIpv6(target)) {
    const [spa, tpa] = [formatAddress(source), formatAddress(target)];
    return ethernet({ dst: BROADCAST, src: mac }, arp({ op: ARP_REQUEST, sha: mac, spa, tpa }));
  }
  // The target's solicited-node address.
  const group = Uint8Array.of(0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, ...target.subarray(13));
  const dst = 0x3333_ff00_0000 + (group[13]! << 16) + (group[14]! << 8) + group[15]!;
  const body = nd({ type: ND_SOLICIT, target, sll: mac });
  return ethernet({ dst, src: mac }, ipv6({ src: source, dst: group, hopLimit: HOP_LIMIT }, body));
}
