/** IGMP and MLD messages of hosts and routers, some of them odd, and packets to groups. */
import type { Random } from '@heddle/datapath/oracle/random-frame';
import { checksum, ETH_P_IP, ETH_P_IPV6, parseIpv4, parseIpv6 } from '@heddle/packet';

const GROUPS4 = ['239.1.1.1', '239.1.1.2', '239.200.3.4', '224.0.0.251'];
const GROUPS6 = ['ff05::101', 'ff05::102', 'ff02::fb'];
const UDP = 17;

export function randomMembership(r: Random): Buffer {
  const frame = r.chance(60) ? ipv4Frame(r) : ipv6Frame(r);
  if (r.chance(20)) return tagged(frame, 1 + r.below(2));
  return frame;
}

function tagged(frame: Buffer, vlan: number): Buffer {
  return Buffer.concat([
    frame.subarray(0, 12),
    Buffer.from([0x81, 0, 0, vlan]),
    frame.subarray(12),
  ]);
}

function ethernet(destination: number, type: number, payload: Buffer): Buffer {
  const header = Buffer.alloc(14);
  header.writeUIntBE(destination, 0, 6);
  header.writeUIntBE(0x020000000001, 6, 6);
  header.writeUInt16BE(type, 12);
  return Buffer.concat([header, payload]);
}

function sum(bytes: Buffer): number {
  return checksum(new DataView(bytes.buffer, bytes.byteOffset, bytes.length), 0, bytes.length);
}

function ipv4Frame(r: Random): Buffer {
  const group = parseIpv4(r.pick(GROUPS4))!;
  if (r.chance(35)) return ipv4(group, UDP, Buffer.alloc(16), 0x0a000001);
  const type = r.pick([0x11, 0x12, 0x16, 0x16, 0x17, 0x22, 0x22, 0x13]);
  const source = r.chance(15) ? 0 : 0x0a000001;
  const igmp = type === 0x22 ? records(r, 4) : Buffer.alloc(8);
  igmp[0] = type;
  if (type !== 0x22) igmp.writeUInt32BE(type === 0x11 && r.chance(60) ? 0 : group, 4);
  igmp.writeUInt16BE(sum(igmp), 2);
  if (r.chance(8)) igmp[2]! ^= 1;
  return ipv4(type === 0x22 ? parseIpv4('224.0.0.22')! : group, 2, igmp, source);
}

function ipv4(destination: number, protocol: number, payload: Buffer, source: number): Buffer {
  const ip = Buffer.alloc(20);
  ip[0] = 0x45;
  ip.writeUInt16BE(20 + payload.length, 2);
  ip[8] = 1;
  ip[9] = protocol;
  ip.writeUInt32BE(source, 12);
  ip.writeUInt32BE(destination, 16);
  ip.writeUInt16BE(sum(ip), 10);
  const mac = 0x01005e000000 + (destination & 0x7fffff);
  return ethernet(mac, ETH_P_IP, Buffer.concat([ip, payload]));
}

function ipv6Frame(r: Random): Buffer {
  const group = Buffer.from(parseIpv6(r.pick(GROUPS6))!);
  if (r.chance(35)) return ipv6(group, UDP, Buffer.alloc(16), true);
  const type = r.pick([130, 131, 131, 132, 143, 143, 135]);
  const icmp = type === 143 ? records(r, 16) : Buffer.alloc(24);
  icmp[0] = type;
  if (type !== 143) group.copy(icmp, 8);
  return ipv6(group, 58, icmp, r.chance(85));
}

function ipv6(destination: Buffer, protocol: number, payload: Buffer, hasSource: boolean): Buffer {
  const ip = Buffer.alloc(40);
  ip[0] = 0x60;
  ip.writeUInt16BE(payload.length, 4);
  ip[6] = protocol;
  ip[7] = 1;
  if (hasSource) Buffer.from(parseIpv6('fe80::1')!).copy(ip, 8);
  destination.copy(ip, 24);
  const pseudo = Buffer.concat([ip.subarray(8, 40), Buffer.alloc(8), payload]);
  pseudo.writeUInt32BE(payload.length, 32);
  pseudo[39] = protocol;
  if (protocol === 58) payload.writeUInt16BE(sum(pseudo), 2);
  const mac = 0x333300000000 + destination.readUInt32BE(12);
  return ethernet(mac, ETH_P_IPV6, Buffer.concat([ip, payload]));
}

/** Records of IGMPv3 or MLDv2. */
function records(r: Random, addressBytes: 4 | 16): Buffer {
  const n = 1 + r.below(3);
  const parts = Array.from({ length: n }, () => {
    const sources = r.below(3);
    const record = Buffer.alloc(4 + addressBytes * (1 + sources), 1);
    record[0] = 1 + r.below(6);
    record[1] = 0;
    record.writeUInt16BE(sources, 2);
    if (addressBytes === 4) record.writeUInt32BE(parseIpv4(r.pick(GROUPS4))!, 4);
    else Buffer.from(parseIpv6(r.pick(GROUPS6))!).copy(record, 4);
    return record;
  });
  const header = Buffer.alloc(8);
  header.writeUInt16BE(n, 6);
  return Buffer.concat([header, ...parts]);
}
