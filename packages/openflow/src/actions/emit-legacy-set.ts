/** set_field in OpenFlow 1.0 and 1.1, for fields that have an action of their own there. */
import type { OfpVersion } from '../constants.ts';
import type { FieldValue, OfpAct } from '../ofp-actions.ts';
import { exactMask } from './field-header.ts';

/** Undefined when there is none: it goes as NXAST_REG_LOAD. */
export function legacySet(
  act: Extract<OfpAct, { type: 'set_field' }>,
  version: OfpVersion,
): readonly OfpAct[] | undefined {
  if (act.compat !== undefined || act.set.mask !== exactMask(act.set.field)) return undefined;
  return legacy(act.set, version);
}

function legacy({ field, value }: FieldValue, version: OfpVersion): readonly OfpAct[] | undefined {
  const n = Number(value & 0xffff_ffff_ffffn);
  switch (field.name) {
    case 'vlan_tci':
      if (!(n & 0x1000)) return [{ type: 'strip_vlan' }];
      return [
        { type: 'set_vlan_vid', vid: n & 0xfff },
        { type: 'set_vlan_pcp', pcp: n >> 13 },
      ];
    case 'vlan_vid':
      return [{ type: 'set_vlan_vid', vid: n & 0xfff }];
    case 'vlan_pcp':
      return [{ type: 'set_vlan_pcp', pcp: n }];
    case 'eth_src':
      return [{ type: 'mod_dl_src', mac: n }];
    case 'eth_dst':
      return [{ type: 'mod_dl_dst', mac: n }];
    case 'ip_src':
      return [{ type: 'mod_nw_src', ip: n }];
    case 'ip_dst':
      return [{ type: 'mod_nw_dst', ip: n }];
    case 'nw_tos':
      return [{ type: 'mod_nw_tos', value: n }];
    case 'ip_dscp':
      return [{ type: 'mod_nw_tos', value: n << 2 }];
    case 'nw_ecn':
      return version === 2 ? [{ type: 'mod_nw_ecn', value: n }] : undefined;
    case 'tcp_src':
    case 'udp_src':
      return [{ type: 'mod_tp_src', port: n }];
    case 'tcp_dst':
    case 'udp_dst':
      return [{ type: 'mod_tp_dst', port: n }];
    default:
      return undefined;
  }
}
