/** What controllers are told of a packet besides its bytes (OpenFlow 1.5, 7.4.1). */
import { Match, type TunMetadataMatch } from '@heddle/openflow';
import { toBytes } from '@heddle/openflow/match/match-field';
import { ETH_P_IP, ETH_P_IPV6, FLOW_TNL_F_OAM, Flow } from '@heddle/packet';
import type { Ofproto } from '../ofproto.ts';
import type { FrozenState } from './recirc.ts';

/** What OpenFlow calls pipeline fields, where they are not zero. */
export function metadataOf(flow: Flow, state: FrozenState): Match {
  const { bridge, ofport, metadata, zone, conntracked } = state;
  const [key, mask] = [new Flow(), new Flow()];
  key.inPort = ofport;
  mask.inPort = 0xffff;
  if (flow.packetType !== 0) {
    key.packetType = flow.packetType;
    mask.packetType = 0xffff_ffff;
  }
  const set = (from: Flow, first: number, end: number): void => {
    for (let i = first; i < end; i++) {
      if (from.u32[i] === 0) continue;
      key.u32[i] = from.u32[i]!;
      mask.u32[i] = 0xffff_ffff;
    }
  };
  set(metadata, REGISTERS, REGISTERS + 16);
  if (metadata.metadata !== 0n) {
    key.metadata = metadata.metadata;
    mask.metadata = 0xffff_ffff_ffff_ffffn;
  }
  if (metadata.tunId !== 0n || flow.tunId !== 0n) {
    key.tunId = metadata.tunId === 0n ? flow.tunId : metadata.tunId;
    mask.tunId = 0xffff_ffff_ffff_ffffn;
  }
  setTunnel(metadata, key, mask);
  if (flow.pktMark !== 0) {
    key.pktMark = flow.pktMark;
    mask.pktMark = 0xffff_ffff;
  }
  // What ct() has tracked goes on untracked behind it, whatever the datapath knows of it.
  if (conntracked && flow.ctState !== 0) {
    key.ctState = flow.ctState;
    mask.ctState = 0xffff;
    key.ctZone = zone ?? flow.ctZone;
    mask.ctZone = key.ctZone === 0 ? 0 : 0xffff;
    key.ctMark = flow.ctMark;
    mask.ctMark = flow.ctMark === 0 ? 0 : 0xffff_ffff;
    key.ctLabel = flow.ctLabel;
    mask.ctLabel = flow.ctLabel === 0n ? 0n : (1n << 128n) - 1n;
    setTuple(flow, key, mask);
  }
  return new Match(key, mask, optionsOf(bridge, metadata));
}

/** What the packet was brought by, or is to be sent with. */
function setTunnel(metadata: Flow, key: Flow, mask: Flow): void {
  for (const name of ['tunSrc', 'tunDst', 'tunGbpId', 'tunGbpFlags'] as const) {
    if (metadata[name] === 0) continue;
    key[name] = metadata[name];
    mask[name] = 0xffff_ffff;
  }
  for (const name of ['tunIpv6Src', 'tunIpv6Dst'] as const) {
    if (metadata[name].every((byte) => byte === 0)) continue;
    key[name] = metadata[name].slice();
    mask[name] = new Uint8Array(16).fill(0xff);
  }
  key.tunFlags = metadata.tunFlags & FLOW_TNL_F_OAM;
  mask.tunFlags = key.tunFlags;
}

function optionsOf({ tlv }: Ofproto, metadata: Flow): TunMetadataMatch[] {
  const present = tlv.mappings.filter(({ index }) => tlv.isPresent(metadata, index));
  return present.map(({ index, optionLen }) => ({
    index,
    value: toBytes(tlv.get(metadata, index), optionLen),
    mask: new Uint8Array(optionLen).fill(0xff),
    isExact: true,
  }));
}

/** Of the connection's original direction; the Ethernet type says of which kind the addresses are. */
function setTuple(flow: Flow, key: Flow, mask: Flow): void {
  const { dlType, ctNwProto, ctTpSrc, ctTpDst, ctNwSrc, ctNwDst } = flow;
  if (dlType !== ETH_P_IP && dlType !== ETH_P_IPV6) return;
  key.dlType = dlType;
  mask.dlType = 0xffff;
  if (ctNwProto === 0) return;
  Object.assign(key, { ctNwProto, ctTpSrc, ctTpDst });
  Object.assign(mask, { ctNwProto: 0xff, ctTpSrc: 0xffff, ctTpDst: 0xffff });
  if (dlType === ETH_P_IP) {
    Object.assign(key, { ctNwSrc, ctNwDst });
    Object.assign(mask, { ctNwSrc: 0xffff_ffff, ctNwDst: 0xffff_ffff });
    return;
  }
  key.ctIpv6Src = flow.ctIpv6Src.slice();
  key.ctIpv6Dst = flow.ctIpv6Dst.slice();
  const whole = new Uint8Array(16).fill(0xff);
  mask.ctIpv6Src = whole;
  mask.ctIpv6Dst = whole;
}

/** Word of the first register; metadata follows the sixteen of them. */
const REGISTERS = 64;
