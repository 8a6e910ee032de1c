/** Actions of the datapath; names as ovs-dpctl prints them (ovs-actions(7), "odp actions"). */
import type { Flow, NshHeader } from '@heddle/packet';
import type { OdpPort } from './dpif.ts';

/** Of connections, or alike for both of their directions (OVS_HASH_ALG_* of linux/openvswitch.h). */
export type HashAlgorithm = 'l4' | 'sym_l4';

export type OdpAction =
  | { readonly type: 'output'; readonly port: OdpPort }
  /** `tpid` 0x8100 or 0x88a8; `tci` has pcp in bits 13-15, CFI (0x1000) set, vid in bits 0-11. */
  | { readonly type: 'push_vlan'; readonly tpid: number; readonly tci: number }
  | { readonly type: 'pop_vlan' }
  /**
   * Rewrites the bits of `mask`; prerequisites were checked by the translator. `dlType` and
   * `nwProto` of the key name the headers that are meant, though they are not in the mask; bits
   * of the key outside of the mask do not matter otherwise.
   */
  | { readonly type: 'set'; readonly key: Flow; readonly mask: Flow }
  /** The tunnel header for outputs to tunnel ports from here on: the key's tunnel, all of it. */
  | { readonly type: 'set_tunnel'; readonly key: Flow }
  /** The header of a tunnel before the packet; `outPort` is where the result is sent from. */
  | {
      readonly type: 'tnl_push';
      readonly tnlPort: OdpPort;
      readonly outPort: OdpPort;
      /** enum ovs_vport_type. */
      readonly headerType: number;
      readonly header: Uint8Array;
    }
  /** A copy, rid of its tunnel's header, is looked up as one that came by tunnel port `port`. */
  | { readonly type: 'tnl_pop'; readonly port: OdpPort }
  | { readonly type: 'userspace'; readonly userdata: Uint8Array }
  | { readonly type: 'recirc'; readonly id: number }
  | { readonly type: 'trunc'; readonly maxLen: number }
  | { readonly type: 'set_priority'; readonly priority: number }
  | { readonly type: 'hash'; readonly algorithm: HashAlgorithm; readonly basis: number }
  /** Behind so many VLAN tags, all of them without; a pipeline may look at the first alone. */
  | {
      readonly type: 'push_mpls';
      readonly lse: number;
      readonly ethertype: number;
      readonly tags?: number;
    }
  /** A label in front of the packet as it is, whatever that is. */
  | { readonly type: 'add_mpls'; readonly lse: number; readonly ethertype: number }
  | { readonly type: 'pop_mpls'; readonly ethertype: number }
  | { readonly type: 'set_mpls'; readonly lse: number; readonly mask: number }
  | { readonly type: 'push_eth'; readonly src: number; readonly dst: number }
  | { readonly type: 'pop_eth' }
  /** `metadata`: the TLVs of metadata type 2. */
  | { readonly type: 'push_nsh'; readonly header: NshHeader; readonly metadata?: Uint8Array }
  | { readonly type: 'set_nsh'; readonly header: NshHeader; readonly mask: NshHeader }
  | { readonly type: 'pop_nsh' }
  | OdpCtAction
  | { readonly type: 'ct_clear' }
  | { readonly type: 'clone'; readonly actions: readonly OdpAction[] }
  /** `probability` of 2^32. */
  | {
      readonly type: 'sample';
      readonly probability: number;
      readonly actions: readonly OdpAction[];
    }
  | { readonly type: 'meter'; readonly id: number }
  | {
      readonly type: 'check_pkt_len';
      readonly size: number;
      readonly greater: readonly OdpAction[];
      readonly lessEqual: readonly OdpAction[];
    }
  /** Must be last; `reason` is counted. An empty list drops, too. */
  | { readonly type: 'drop'; readonly reason: string };

/** `ct(...)`: sends the packet through connection tracking. */
export interface OdpCtAction {
  readonly type: 'ct';
  readonly commit: boolean;
  readonly force: boolean;
  readonly zone: number;
  readonly mark?: { readonly value: number; readonly mask: number };
  readonly label?: { readonly value: bigint; readonly mask: bigint };
  /** `ftp` or `tftp`. */
  readonly helper?: string;
  /** With `commit`: the timeout policy of the connection (`DpConntrack.setTimeoutPolicy`). */
  readonly timeout?: number;
  readonly nat?: OdpNat;
}

export interface OdpNat {
  /** Neither: what the connection has is applied. */
  readonly direction?: 'src' | 'dst';
  readonly family?: 4 | 6;
  readonly min?: bigint;
  readonly max?: bigint;
  readonly portMin?: number;
  readonly portMax?: number;
  readonly persistent?: boolean;
  readonly hash?: boolean;
  readonly random?: boolean;
}
