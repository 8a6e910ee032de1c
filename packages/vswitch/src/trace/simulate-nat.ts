/** What address translation makes of a traced packet: the first address and port of the range. */
import type { OdpNat } from '@heddle/datapath';
import { type Flow, formatIpv4, formatIpv6 } from '@heddle/packet';

/** Changes the flow; returns the lines that tell of it. */
export function simulateNat(flow: Flow, nat: OdpNat): string[] {
  const before = nat.direction ? endpoints(flow, nat) : '';
  if (nat.direction) translate(flow, nat, nat.direction);
  const after = nat.direction ? endpoints(flow, nat) : '';
  return [
    'Replacing src/dst IP/ports to simulate NAT:',
    ` Initial flow: ${before}`,
    ` Modified flow: ${after}`,
  ];
}

function translate(flow: Flow, { family, min, portMin }: OdpNat, direction: 'src' | 'dst'): void {
  if (min !== undefined) {
    if (family !== 6) {
      if (direction === 'src') flow.nwSrc = Number(min);
      else flow.nwDst = Number(min);
    } else (direction === 'src' ? flow.ipv6Src : flow.ipv6Dst).set(bytes16(min));
  }
  if (!portMin) return;
  if (direction === 'src') flow.tpSrc = portMin;
  else flow.tpDst = portMin;
}

function bytes16(v: bigint): Uint8Array {
  return Uint8Array.from({ length: 16 }, (_, i) => Number((v >> BigInt(8 * (15 - i))) & 0xffn));
}

function endpoints(flow: Flow, { family }: OdpNat): string {
  const { tpSrc, tpDst } = flow;
  if (family !== 6) {
    const [src, dst] = [formatIpv4(flow.nwSrc), formatIpv4(flow.nwDst)];
    return `nw_src=${src},tp_src=${tpSrc},nw_dst=${dst},tp_dst=${tpDst}`;
  }
  const [src, dst] = [formatIpv6(flow.ipv6Src), formatIpv6(flow.ipv6Dst)];
  return `ipv6_src=${src},tp_src=${tpSrc},ipv6_dst=${dst},tp_dst=${tpDst}`;
}
