/** Packets that come back: what the userspace engine makes of a packet on its way to a recirculation. */
import { type OdpAction, Packet } from '@heddle/datapath';
import { takeMetadata } from '@heddle/datapath/conntrack/metadata';
import type { Random } from '@heddle/datapath/oracle/random-frame';
import { executeActions } from '@heddle/datapath/userspace/execute';
import { Flow } from '@heddle/packet';
import { composeFlow } from '@heddle/packet/compose';

/** Of connections that are new, known, replied to, no good, and translated. */
const CT_STATES = [0x21, 0x22, 0x2a, 0x30, 0x62, 0xa6];

/** A packet with such a key, so far as frames can tell it. */
export function packetOf(r: Random, key: Flow): Packet {
  const payload = new Uint8Array(r.pick([0, 64, 1500]));
  const packet = new Packet(composeFlow(key, payload), key);
  packet.key();
  return packet;
}

/** Keys that the packet comes back with; it is used up. */
export function arrivalsOf(r: Random, packet: Packet, actions: readonly OdpAction[]): Flow[] {
  const found: Flow[] = [];
  const nothing = (): void => {};
  executeActions(packet, actions, {
    output: nothing,
    userspace: nothing,
    recirculate: (copy) => found.push(copy.key().clone()),
    track: (tracked, { zone }) => {
      tracked.ct = takeMetadata(connectionOf(r, tracked.key(), zone));
      return true;
    },
    meter: () => true,
    random: () => r.below(2 ** 32),
    sequence: () => 0,
    pushed: nothing,
    pop: nothing,
    drop: nothing,
  });
  return found;
}

/** What tracking might say of a packet. */
function connectionOf(r: Random, key: Flow, zone: number): Flow {
  const flow = new Flow();
  flow.dlType = key.dlType;
  flow.ctState = r.pick(CT_STATES);
  flow.ctZone = zone;
  flow.ctMark = r.below(3);
  flow.ctLabel = BigInt(r.below(2));
  if (key.dlType === 0x0800 || key.dlType === 0x86dd) {
    flow.ctNwProto = key.nwProto;
    flow.ctTpSrc = key.tpSrc;
    flow.ctTpDst = key.tpDst;
    flow.ctNwSrc = key.nwSrc;
    flow.ctNwDst = key.nwDst;
    if (key.dlType === 0x86dd) {
      flow.ctIpv6Src = key.ipv6Src;
      flow.ctIpv6Dst = key.ipv6Dst;
    }
  }
  return flow;
}
