/**
 * Whether actions fit the packets that a flow matches: ports and tables exist, fields are there and
 * may be written (ovs-actions(7), "Inconsistencies"). What OpenFlow 1.0 lets pass as a no-op and
 * later versions refuse is "inconsistent": only the protocols of OpenFlow 1.0 can carry it.
 */
import { ETH_P_MPLS_MC, ETH_P_MPLS_UC, ETH_P_NSH, type Field, VLAN_CFI } from '@heddle/packet';
import { vlog } from '@heddle/runtime';
import {
  OFPM13_MAX,
  OFPP_CONTROLLER,
  OFPP_IN_PORT,
  OFPP_LOCAL,
  OFPP_MAX,
  OFPP_NONE,
  type OfpVersion,
} from '../constants.ts';
import { OfpError } from '../errors.ts';
import { fieldPrerequisitesMet, saysValidConnection } from '../match/prerequisites.ts';
import {
  OFPUTIL_P_ANY,
  OFPUTIL_P_OF10_ANY,
  type Protocols,
  versionProtocols,
} from '../match/protocols.ts';
import { Match } from '../match.ts';
import type { ActionContext, OfpAct } from '../ofp-actions.ts';
import { checkCt } from './check-ct.ts';
import { checkLearn } from './check-learn.ts';
import { checkDestination, checkSource } from './check-subfield.ts';
import { isVariable } from './field-header.ts';

const log = vlog.module('ofp_actions');

export interface CheckedActions {
  /** With what the match tells about them: a VLAN tag that is there, the transport protocol. */
  readonly actions: readonly OfpAct[];
  /** Flow formats in which they are consistent. */
  readonly protocols: Protocols;
}

/** Throws OfpError as a flow mod with them is refused; `version` 1 lets inconsistencies pass. */
export function checkActions(
  acts: readonly OfpAct[],
  context: ActionContext,
  version: OfpVersion = 1,
): readonly OfpAct[] {
  return checkActionsProtocols(acts, context, versionProtocols(version)).actions;
}

/** `protocols`: those that can carry the rest of the flow. */
export function checkActionsProtocols(
  acts: readonly OfpAct[],
  context: ActionContext,
  protocols: Protocols = OFPUTIL_P_ANY,
): CheckedActions {
  const check = new ActionCheck(context, protocols);
  const actions = check.list(acts);
  if (check.protocols === 0) throw new OfpError('OFPBAC_MATCH_INCONSISTENT');
  return { actions, protocols: check.protocols };
}

const PT_UNKNOWN = 0xffff_ffff;
const TRANSPORTS = new Set([6, 17, 132]);

function refuseSetField(field: Field): never {
  log.rl.warn(`set_field ${field.name} lacks correct prerequisites`);
  throw new OfpError('OFPBAC_MATCH_INCONSISTENT');
}

class ActionCheck {
  readonly #context: ActionContext;
  /** The packet as the actions so far leave it: the match itself until one changes it. */
  #match: Match;
  #isOwn = false;
  protocols: Protocols;

  constructor(context: ActionContext, protocols: Protocols) {
    this.#context = context;
    this.#match = context.match;
    this.protocols = protocols;
  }

  list(acts: readonly OfpAct[]): readonly OfpAct[] {
    let changed: OfpAct[] | undefined;
    for (let i = 0; i < acts.length; i++) {
      const act = acts[i]!;
      const checked = this.#act(act);
      if (checked !== act && !changed) changed = acts.slice(0, i);
      changed?.push(checked);
    }
    return changed ?? acts;
  }

  #own(): Match {
    if (!this.#isOwn) {
      const { key, mask, tunMetadata } = this.#match;
      this.#match = new Match(key.clone(), mask.clone(), tunMetadata);
      this.#isOwn = true;
    }
    return this.#match;
  }

  #inconsistent(): void {
    this.protocols &= OFPUTIL_P_OF10_ANY;
  }

  #require(condition: boolean): void {
    if (!condition) this.#inconsistent();
  }

  #port(port: number): void {
    if (port < OFPP_MAX) {
      if (port >= this.#context.maxPorts) throw new OfpError('OFPBAC_BAD_OUT_PORT');
    } else if (port < OFPP_IN_PORT || port === OFPP_NONE) {
      throw new OfpError('OFPBAC_BAD_OUT_PORT');
    }
  }

  /** The type of the network layer, whatever encapsulates it. */
  get #networkType(): number {
    const { key } = this.#match;
    if (key.packetType === 0) return key.dlType;
    return key.packetType >>> 16 === 1 ? key.packetType & 0xffff : 0;
  }

  get #isIp(): boolean {
    const type = this.#networkType;
    return type === 0x800 || type === 0x86dd;
  }

  get #isMpls(): boolean {
    const type = this.#networkType;
    return type === ETH_P_MPLS_UC || type === ETH_P_MPLS_MC;
  }

  get #hasVlan(): boolean {
    return (this.#match.key.vlanTci0 & VLAN_CFI) !== 0;
  }

  #act(act: OfpAct): OfpAct {
    switch (act.type) {
      case 'output':
      case 'output_trunc':
        this.#port(act.port);
        return act;
      case 'output_reg':
        checkSource(act.src, this.#match);
        return act;
      case 'enqueue':
        if (
          act.port >= this.#context.maxPorts &&
          act.port !== OFPP_IN_PORT &&
          act.port !== OFPP_LOCAL
        ) {
          throw new OfpError('OFPBAC_BAD_OUT_PORT');
        }
        return act;
      case 'bundle':
        for (const port of act.members) {
          if (port === OFPP_CONTROLLER) throw new OfpError('OFPBAC_BAD_OUT_PORT');
          if (port !== OFPP_NONE) this.#port(port);
        }
        if (act.dst) checkDestination(act.dst, this.#match);
        return act;
      case 'set_vlan_vid':
      case 'set_vlan_pcp':
      case 'strip_vlan':
      case 'push_vlan':
        return this.#vlan(act);
      case 'set_field':
        return this.#setField(act);
      case 'move':
        checkSource(act.src, this.#match);
        checkDestination(act.dst, this.#match);
        return act;
      default:
        return this.#header(act);
    }
  }

  #vlan(
    act: Extract<OfpAct, { type: 'set_vlan_vid' | 'set_vlan_pcp' | 'strip_vlan' | 'push_vlan' }>,
  ): OfpAct {
    const hasVlan = this.#hasVlan;
    switch (act.type) {
      case 'set_vlan_vid':
      case 'set_vlan_pcp':
        this.#require(hasVlan || act.push === true);
        if (!hasVlan && act.push) this.#own().key.vlanTci0 |= VLAN_CFI;
        return (act.hasVlan ?? false) === hasVlan ? act : { ...act, hasVlan };
      case 'strip_vlan': {
        this.#require(hasVlan);
        const { key } = this.#own();
        key.vlanTci0 = key.vlanTci1;
        key.vlanTci1 = 0;
        return act;
      }
      case 'push_vlan': {
        const { key } = this.#own();
        if ((key.vlanTci1 & VLAN_CFI) !== 0) throw new OfpError('OFPBAC_BAD_TAG');
        key.vlanTci1 = key.vlanTci0;
        key.vlanTci0 |= VLAN_CFI;
        return act;
      }
    }
  }

  #setField(act: Extract<OfpAct, { type: 'set_field' }>): OfpAct {
    const { field, value, mask } = act.set;
    if (!fieldPrerequisitesMet(field, this.#match)) refuseSetField(field);
    if (field.name === 'vlan_tci') {
      const { key } = this.#own();
      const bits = Number(mask);
      key.vlanTci0 = (key.vlanTci0 & ~bits) | (Number(value) & bits);
    } else if (field.name === 'vlan_vid' && !this.#hasVlan) {
      refuseSetField(field);
    }
    return act;
  }

  #header(act: OfpAct): OfpAct {
    switch (act.type) {
      case 'mod_nw_src':
      case 'mod_nw_dst':
        this.#require(this.#networkType === 0x800);
        return act;
      case 'mod_nw_tos':
      case 'mod_nw_ecn':
      case 'mod_nw_ttl':
      case 'dec_ttl':
        this.#require(this.#isIp);
        return act;
      case 'mod_tp_src':
      case 'mod_tp_dst': {
        const { key } = this.#match;
        // Upstream names the field by the number alone, be it ARP's or a later fragment's.
        const isKnown = TRANSPORTS.has(key.nwProto);
        this.#require(isKnown && this.#isIp && (key.nwFrag & 2) === 0);
        return isKnown && act.proto !== key.nwProto ? { ...act, proto: key.nwProto } : act;
      }
      case 'set_mpls_label':
      case 'set_mpls_tc':
      case 'set_mpls_ttl':
      case 'dec_mpls_ttl':
        this.#require(this.#isMpls);
        return act;
      case 'push_mpls': {
        if (this.#match.key.packetType !== 0) this.#inconsistent();
        this.#own().key.dlType = act.ethertype;
        return act;
      }
      case 'pop_mpls':
        this.#require(this.#isMpls && this.#match.key.packetType === 0);
        this.#own().key.dlType = act.ethertype;
        return act;
      case 'dec_nsh_ttl':
        this.#require(this.#networkType === ETH_P_NSH);
        return act;
      case 'encap': {
        const { key } = this.#own();
        // An Ethernet header tells the type of what it is put in front of.
        if (act.packetType !== 0) key.dlType = act.packetType & 0xffff;
        else if (key.packetType === PT_UNKNOWN) key.dlType = 0;
        key.packetType = act.packetType;
        return act;
      }
      case 'decap':
        this.#decap();
        return act;
      case 'delete_field':
        if (!isVariable(act.field)) throw new OfpError('OFPBAC_BAD_ARGUMENT');
        return act;
      case 'fin_timeout':
        this.#require(this.#isIp && this.#match.key.nwProto === 6);
        return act;
      default:
        return this.#control(act);
    }
  }

  #decap(): void {
    const { key } = this.#own();
    if (key.packetType === 0) {
      key.packetType = ((1 << 16) | key.dlType) >>> 0;
    } else {
      key.packetType = PT_UNKNOWN;
    }
  }

  #control(act: OfpAct): OfpAct {
    switch (act.type) {
      case 'multipath':
        checkDestination(act.dst, this.#match);
        return act;
      case 'push':
        checkSource(act.subfield, this.#match);
        return act;
      case 'pop':
        checkDestination(act.subfield, this.#match);
        return act;
      case 'learn':
        checkLearn(act, this.#match);
        return act;
      case 'ct':
        checkCt(act, this.#match, this.#networkType);
        return act;
      case 'resubmit':
        if (act.withCt && !saysValidConnection(this.#match)) {
          throw new OfpError('OFPBAC_MATCH_INCONSISTENT');
        }
        return act;
      case 'clone':
        return this.#nested(act);
      case 'write_actions': {
        // Executed later, on packets of which nothing is known: only errors proper count.
        const protocols = this.protocols;
        this.protocols = OFPUTIL_P_ANY;
        const checked = this.#nested(act);
        this.protocols = protocols;
        return checked;
      }
      case 'meter':
        if (act.meter === 0 || act.meter > OFPM13_MAX) throw new OfpError('OFPMMFC_INVALID_METER');
        return act;
      case 'goto_table':
        this.#gotoTable(act.table);
        return act;
      default:
        return act;
    }
  }

  #nested(act: Extract<OfpAct, { type: 'clone' | 'write_actions' }>): OfpAct {
    const before = this.#match;
    const wasOwn = this.#isOwn;
    this.#isOwn = false;
    const actions = this.list(act.actions);
    this.#match = before;
    this.#isOwn = wasOwn;
    return actions === act.actions ? act : { ...act, actions };
  }

  #gotoTable(table: number): void {
    const { tableId, nTables } = this.#context;
    if ((tableId !== 255 && table <= tableId) || (nTables !== 255 && table >= nTables)) {
      throw new OfpError('OFPBIC_BAD_TABLE_ID');
    }
  }
}
