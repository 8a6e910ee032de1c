/** Actions of the datapath; names as ovs-dpctl prints them (ovs-actions(7), "odp actions"). */
import type { Flow } from '@heddle/packet';
import type { OdpPort } from './dpif.ts';

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
  | { readonly type: 'userspace'; readonly userdata: Uint8Array }
  | { readonly type: 'recirc'; readonly id: number }
  | { readonly type: 'trunc'; readonly maxLen: number }
  /** Must be last; `reason` is counted. An empty list drops, too. */
  | { readonly type: 'drop'; readonly reason: string };
