/** The interpreter of action lists. */
import { ETH_HEADER_LEN } from '@heddle/packet';
import type { OdpPort, VnetHdr } from '../dpif.ts';
import type { OdpAction, OdpCtAction } from '../odp-actions.ts';
import { dpHash } from './dp-hash.ts';
import type { Packet } from './packet.ts';
import { segments } from './segment.ts';
import { pushHeader } from './tunnel.ts';

/** What actions do to the world outside of the packet. */
export interface ActionSink {
  output(port: OdpPort, frame: Uint8Array, vnet: VnetHdr | undefined): void;
  userspace(packet: Packet, frame: Uint8Array, userdata: Uint8Array): void;
  /** Looks the packet up again under its new `recircId`. */
  recirculate(packet: Packet): void;
  /** False when the packet waits: `resume` goes on with it later. */
  track(packet: Packet, action: OdpCtAction, resume: () => void): boolean;
  /** Whether a meter lets a packet of so many bytes pass. */
  meter(id: number, bytes: number): boolean;
  /** 0 to 2^32 - 1. */
  random(): number;
  /** What a tunnel's next packet has for a number. */
  sequence(tnlPort: OdpPort): number;
  /** `packet` has the header by now. */
  pushed(packet: Packet, tnlPort: OdpPort): void;
  /** Looks up what the packet holds as one that came by a tunnel. */
  pop(packet: Packet, port: OdpPort): void;
  drop(reason: string): void;
}

/** Drop reasons of the engine itself. */
export const DROP_NO_ACTIONS = 'no actions';
export const DROP_METER = 'meter';
export const DROP_POLICED = 'ingress policing';
export const DROP_NO_PORT = 'no such port';
export const DROP_RECIRC = 'recirculation limit';
export const DROP_UPCALL = 'upcall lost';
export const DROP_MALFORMED = 'malformed';

export function executeActions(
  packet: Packet,
  actions: readonly OdpAction[],
  sink: ActionSink,
): void {
  if (actions.length === 0) sink.drop(DROP_NO_ACTIONS);
  // `trunc` holds for the next output or upcall only: so many bytes go, whatever headers come and
  // go before it.
  let cut = 0;
  const frame = (): Uint8Array => {
    const { bytes } = packet;
    const left =
      cut === 0 ? bytes : bytes.subarray(0, Math.max(bytes.length - cut, ETH_HEADER_LEN));
    cut = 0;
    return left;
  };
  /** What a nested list does is not seen by what follows it. */
  const copyFor = (i: number): Packet => (i + 1 < actions.length ? packet.clone() : packet);
  for (let i = 0; i < actions.length; i++) {
    const a = actions[i]!;
    switch (a.type) {
      case 'output':
        sink.output(a.port, frame(), packet.vnet);
        break;
      case 'userspace':
        sink.userspace(packet, frame(), a.userdata);
        break;
      case 'trunc':
        cut = Math.max(packet.bytes.length - a.maxLen, 0);
        break;
      case 'recirc': {
        const next = i + 1 < actions.length ? packet.clone() : packet;
        next.recirculate(a.id);
        sink.recirculate(next);
        break;
      }
      case 'ct':
        if (sink.track(packet, a, () => executeRest(packet, actions.slice(i + 1), sink))) break;
        return;
      case 'ct_clear':
        packet.ct = undefined;
        break;
      case 'tnl_push': {
        const rest = actions.slice(i + 1);
        const hash = dpHash(packet.key(), 'sym_l4', 0);
        for (const inner of segmentsOf(packet)) {
          const piece = packet.clone();
          piece.wrap(pushHeader(inner, a, hash, () => sink.sequence(a.tnlPort)));
          sink.pushed(piece, a.tnlPort);
          executeActions(piece, rest, sink);
        }
        return;
      }
      case 'tnl_pop':
        sink.pop(packet, a.port);
        break;
      case 'clone':
        executeActions(copyFor(i), a.actions, sink);
        break;
      case 'sample':
        if (sink.random() < a.probability) executeActions(copyFor(i), a.actions, sink);
        break;
      case 'check_pkt_len': {
        const branch = segmentLength(packet) > a.size ? a.greater : a.lessEqual;
        executeActions(copyFor(i), branch, sink);
        break;
      }
      case 'meter':
        if (sink.meter(a.id, packet.bytes.length)) break;
        sink.drop(DROP_METER);
        return;
      case 'drop':
        sink.drop(a.reason);
        return;
      default:
        changePacket(packet, a);
    }
  }
}

/** What changes the packet's bytes, or hashes them, and nothing else; false: the action is of another kind. */
export function changePacket(packet: Packet, a: OdpAction): boolean {
  switch (a.type) {
    case 'push_vlan':
      packet.pushVlan(a.tpid, a.tci);
      return true;
    case 'pop_vlan':
      packet.popVlan();
      return true;
    case 'hash':
      packet.dpHash = dpHash(packet.key(), a.algorithm, a.basis);
      return true;
    case 'set':
      packet.set(a.key, a.mask);
      return true;
    case 'push_mpls':
      packet.pushMpls(a.lse, a.ethertype, a.tags);
      return true;
    case 'add_mpls':
      packet.addMpls(a.lse, a.ethertype);
      return true;
    case 'pop_mpls':
      packet.popMpls(a.ethertype);
      return true;
    case 'set_mpls':
      packet.setMpls(a.lse, a.mask);
      return true;
    case 'push_eth':
      packet.pushEth(a.src, a.dst);
      return true;
    case 'pop_eth':
      packet.popEth();
      return true;
    case 'push_nsh':
      packet.pushNsh(a.header, a.metadata);
      return true;
    case 'set_nsh':
      packet.setNsh(a.header, a.mask);
      return true;
    case 'pop_nsh':
      packet.popNsh();
      return true;
    default:
      return false;
  }
}

function executeRest(packet: Packet, rest: readonly OdpAction[], sink: ActionSink): void {
  if (rest.length > 0) executeActions(packet, rest, sink);
}

/** What a receiver sees of the packet: a super-packet is as long as its segments. */
function segmentLength({ bytes, vnet }: Packet): number {
  if (vnet === undefined || vnet.gsoSize === 0) return bytes.length;
  return Math.min(vnet.hdrLen + vnet.gsoSize, bytes.length);
}

/** Of what has no Ethernet header, too. */
function segmentsOf(packet: Packet): Uint8Array[] {
  const { bytes, vnet, packetType } = packet;
  if (vnet === undefined || packetType === 0) return segments({ data: bytes, vnet });
  const frame = packet.clone();
  frame.pushEth(0, 0);
  const cut = frame.bytes.length - bytes.length;
  return segments({ data: frame.bytes, vnet: frame.vnet }).map((piece) => piece.subarray(cut));
}
