/** Destinations that bridges do not forward (ovs-vswitchd.conf.db(5), "forward-bpdu"). */
const RESERVED = new Set<number>([
  ...range(0x0180c2000000, 16),
  ...range(0x00e02b000000, 1),
  ...range(0x00e02b000004, 1),
  ...range(0x00e02b000006, 1),
  0x01000c000000,
  0x01000ccdcdcd,
  ...range(0x01000cccccc0, 16),
]);

function range(first: number, n: number): number[] {
  return Array.from({ length: n }, (_, i) => first + i);
}

export function isReservedMac(mac: number): boolean {
  return RESERVED.has(mac);
}
