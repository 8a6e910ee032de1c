/**
 * Actions and instructions (ovs-actions(7)). A list of them is what a flow does: instructions other
 * than "apply actions" stand at its end in the order meter, (actions), clear_actions,
 * write_actions, write_metadata, goto_table. Names are those of ovs-ofctl's text.
 *
 * One value may have several forms on the wire, by the version of OpenFlow; `compat` keeps what
 * the text shows. Port numbers are 16 bits, as OpenFlow 1.0 has them (OFPP_* in 0xff00..0xffff).
 */
import type { Field } from '@heddle/packet';
import type { Match } from './match.ts';

/** Bits `ofs` to `ofs + nBits - 1` of a field, counted from its least significant bit. */
export interface Subfield {
  readonly field: Field;
  readonly ofs: number;
  readonly nBits: number;
}

/** Value and mask of a field, as `set_field` carries them; `mask` covers the field when exact. */
export interface FieldValue {
  readonly field: Field;
  readonly value: bigint;
  readonly mask: bigint;
}

export type HashFields =
  | 'eth_src'
  | 'symmetric_l4'
  | 'symmetric_l3l4'
  | 'symmetric_l3l4+udp'
  | 'symmetric_l3'
  | 'nw_src'
  | 'nw_dst';

export type MultipathAlgorithm = 'modulo_n' | 'hash_threshold' | 'hrw' | 'iter_hash';

/** `dst` takes `n_bits` from a field of the packet or from an immediate value. */
export type LearnSpec =
  | { readonly type: 'match' | 'load'; readonly src: Subfield; readonly dst: Subfield }
  | { readonly type: 'match' | 'load'; readonly value: bigint; readonly dst: Subfield }
  | { readonly type: 'output'; readonly src: Subfield };

export interface NatAction {
  readonly type: 'nat';
  /** Neither: `nat` alone, which applies what the connection has. */
  readonly direction?: 'src' | 'dst';
  /** Text form of the addresses; IPv4 and IPv6 do not mix. */
  readonly range?: {
    readonly family: 4 | 6;
    readonly min: bigint;
    readonly max?: bigint;
    readonly portMin?: number;
    readonly portMax?: number;
  };
  readonly persistent?: boolean;
  readonly hash?: boolean;
  readonly random?: boolean;
}

export interface CtAction {
  readonly type: 'ct';
  readonly commit: boolean;
  readonly force: boolean;
  readonly zone: number | Subfield;
  /** Table to recirculate to; undefined for none. */
  readonly table?: number;
  /** IANA port of the helper: 21 ftp, 69 tftp; 0 for none. */
  readonly alg: number;
  /** `nat` and the assignments of `exec`. */
  readonly actions: readonly OfpAct[];
}

export interface EncapProp {
  /** OFPPPT_PROP_NSH 4. */
  readonly class: number;
  readonly type: number;
  readonly data: Uint8Array;
}

export type OfpAct =
  // Output
  | { readonly type: 'output'; readonly port: number; readonly maxLen: number }
  | { readonly type: 'output_reg'; readonly src: Subfield; readonly maxLen: number }
  | { readonly type: 'output_trunc'; readonly port: number; readonly maxLen: number }
  | {
      readonly type: 'controller';
      readonly maxLen: number;
      readonly controllerId: number;
      /** OFPR_* */
      readonly reason: number;
      readonly userdata?: Uint8Array;
      readonly pause?: boolean;
      readonly meter?: number;
      /** It came as NXAST_CONTROLLER2, though it has nothing that needs it. */
      readonly compat?: 'controller2';
    }
  | { readonly type: 'enqueue'; readonly port: number; readonly queue: number }
  | { readonly type: 'group'; readonly group: number }
  | {
      /** `dst`: bundle_load. */
      readonly type: 'bundle';
      readonly fields: HashFields;
      readonly basis: number;
      readonly algorithm: 'active_backup' | 'hrw';
      readonly members: readonly number[];
      readonly dst?: Subfield;
    }
  // Header changes
  | { readonly type: 'set_field'; readonly set: FieldValue; readonly compat?: 'load' | 'load2' }
  /** `push`: a tag is added when there is none; `hasVlan`: the check found that there is one. */
  | {
      readonly type: 'set_vlan_vid';
      readonly vid: number;
      readonly push?: boolean;
      readonly hasVlan?: boolean;
    }
  | {
      readonly type: 'set_vlan_pcp';
      readonly pcp: number;
      readonly push?: boolean;
      readonly hasVlan?: boolean;
    }
  /** `compat` is the OpenFlow 1.1+ spelling, `pop_vlan`. */
  | { readonly type: 'strip_vlan'; readonly compat?: 'pop_vlan' }
  | { readonly type: 'push_vlan'; readonly ethertype: number }
  | { readonly type: 'mod_dl_src' | 'mod_dl_dst'; readonly mac: number }
  | { readonly type: 'mod_nw_src' | 'mod_nw_dst'; readonly ip: number }
  | { readonly type: 'mod_nw_tos' | 'mod_nw_ecn' | 'mod_nw_ttl'; readonly value: number }
  /** `proto`: the transport that the check found in the match, for versions that need it. */
  | { readonly type: 'mod_tp_src' | 'mod_tp_dst'; readonly port: number; readonly proto?: number }
  | { readonly type: 'move'; readonly src: Subfield; readonly dst: Subfield }
  /** `ids`: controllers told when the TTL runs out; `[0]` when none are named. */
  | { readonly type: 'dec_ttl'; readonly ids: readonly number[]; readonly named?: boolean }
  | { readonly type: 'set_mpls_label' | 'set_mpls_tc' | 'set_mpls_ttl'; readonly value: number }
  | { readonly type: 'dec_mpls_ttl' | 'dec_nsh_ttl' }
  | { readonly type: 'push_mpls' | 'pop_mpls'; readonly ethertype: number }
  | { readonly type: 'encap'; readonly packetType: number; readonly props: readonly EncapProp[] }
  /** Packet type after it; undefined: as the header says. */
  | { readonly type: 'decap'; readonly packetType?: number }
  | { readonly type: 'delete_field'; readonly field: Field }
  // Metadata
  | { readonly type: 'set_tunnel'; readonly id: bigint; readonly wide?: boolean }
  | { readonly type: 'set_queue'; readonly queue: number }
  | { readonly type: 'pop_queue' }
  | { readonly type: 'push' | 'pop'; readonly subfield: Subfield }
  | { readonly type: 'fin_timeout'; readonly idle: number; readonly hard: number }
  | {
      readonly type: 'multipath';
      readonly fields: HashFields;
      readonly basis: number;
      readonly algorithm: MultipathAlgorithm;
      readonly maxLink: number;
      readonly arg: number;
      readonly dst: Subfield;
    }
  | { readonly type: 'check_pkt_larger'; readonly length: number; readonly dst: Subfield }
  // Firewalling
  | CtAction
  | NatAction
  | { readonly type: 'ct_clear' }
  | {
      readonly type: 'conjunction';
      readonly id: number;
      /** 0-based; the text counts from 1. */
      readonly clause: number;
      readonly nClauses: number;
    }
  // Control
  | {
      readonly type: 'resubmit';
      /** OFPP_IN_PORT (0xfff8) when not given. */
      readonly port: number;
      /** 255 when not given: the present table. */
      readonly table: number;
      readonly withCt?: boolean;
      /** Written as OpenFlow 1.0's NXAST_RESUBMIT. */
      readonly compat?: 'resubmit';
    }
  | { readonly type: 'clone'; readonly actions: readonly OfpAct[] }
  | {
      readonly type: 'learn';
      readonly idleTimeout: number;
      readonly hardTimeout: number;
      readonly priority: number;
      readonly cookie: bigint;
      readonly finIdleTimeout: number;
      readonly finHardTimeout: number;
      readonly table: number;
      readonly flags: {
        readonly sendFlowRem: boolean;
        readonly deleteLearned: boolean;
        readonly writeResult: boolean;
      };
      /** 0: no limit. */
      readonly limit: number;
      readonly resultDst?: Subfield;
      readonly specs: readonly LearnSpec[];
    }
  | { readonly type: 'note'; readonly data: Uint8Array }
  | { readonly type: 'exit' }
  | {
      readonly type: 'sample';
      readonly probability: number;
      readonly collectorSetId: number;
      readonly obsDomainId: number;
      readonly obsPointId: number;
      /** OFPP_NONE (0xffff) when not given. */
      readonly samplingPort: number;
      readonly direction: 'default' | 'ingress' | 'egress';
    }
  | { readonly type: 'debug_recirc' | 'debug_slow' }
  // Instructions
  | { readonly type: 'meter'; readonly meter: number }
  | { readonly type: 'clear_actions' }
  | { readonly type: 'write_actions'; readonly actions: readonly OfpAct[] }
  | { readonly type: 'write_metadata'; readonly metadata: bigint; readonly mask: bigint }
  | { readonly type: 'goto_table'; readonly table: number };

/** What the checks of a list need to know besides it: prerequisites are judged by the match. */
export interface ActionContext {
  readonly match: Match;
  readonly tableId: number;
  readonly nTables: number;
  readonly maxPorts: number;
}
