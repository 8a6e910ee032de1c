/** Random frames that meet the addresses and VLANs of random switches. */
import type { Random } from '@heddle/datapath/oracle/random-frame';
import * as b from '@heddle/packet/build';
import { MACS } from './random-switch.ts';

const VIDS = [0, 1, 5, 6, 7, 9];
const DESTINATIONS = [
  ...MACS,
  0x505400000009,
  0xffff_ffff_ffff,
  0x01005e000001,
  0x0180c2000000,
  0x0180c200000e,
  0x0180c2000010,
  0x01000ccccccc,
];

function inside(r: Random): b.Part {
  const addresses = { src: '10.0.0.1', dst: '10.0.0.2' };
  switch (r.below(6)) {
    case 0: {
      const op = r.pick([1, 1, 2, 3]);
      const spa = r.pick(['10.0.0.1', '10.0.0.2']);
      return b.arp(
        { op, sha: r.pick(MACS), tha: 0, spa, tpa: '10.0.0.1' },
        r.pick([0x806, 0x806, 0x8035]),
      );
    }
    case 1:
      return b.ipv4({ ...addresses, mf: r.chance(30) }, b.udp({ src: 1000, dst: r.below(99) }));
    case 2:
      return b.ipv4({ ...addresses, fragOff: r.chance(30) ? 5 : 0 }, b.icmp({ type: 8 }));
    case 3:
      return b.ipv6({ src: 'fe80::1', dst: 'fe80::2' }, b.tcp({ src: 1, dst: 2, flags: 0x12 }));
    case 4:
      return b.ipv4({ ...addresses }, b.tcp({ src: 1, dst: 2, flags: r.below(64) }));
    default:
      return b.raw(r.pick([0x1234, 0x88cc]), r.bytes(46));
  }
}

export function randomPacket(r: Random): Uint8Array {
  let part = inside(r);
  for (let n = r.pick([0, 0, 1, 1, 1, 2, 2, 3]); n > 0; n--) {
    const tpid = r.pick([0x8100, 0x8100, 0x88a8]);
    part = b.vlan({ vid: r.pick(VIDS), pcp: r.pick([0, 0, 3]), tpid }, part);
  }
  const src = r.chance(10) ? 0x01005e000009 : r.pick(MACS);
  return b.ethernet({ dst: r.pick(DESTINATIONS), src }, part);
}
