/** The columns of an Interface that CFM writes (ovs-vswitchd.conf.db(5), "Connectivity Fault Management"). */
import { integerAtom } from '@heddle/ovsdb/notation/atom';
import type { Cfm } from './cfm.ts';
import { cfmFaults } from './text.ts';

export interface CfmStatus {
  readonly cfm_fault: boolean | undefined;
  readonly cfm_fault_status: readonly string[];
  readonly cfm_flap_count: number | undefined;
  readonly cfm_health: number | undefined;
  readonly cfm_remote_mpids: readonly number[];
  readonly cfm_remote_opstate: 'up' | 'down' | undefined;
}

const NO_STATUS: CfmStatus = {
  cfm_fault: undefined,
  cfm_fault_status: [],
  cfm_flap_count: undefined,
  cfm_health: undefined,
  cfm_remote_mpids: [],
  cfm_remote_opstate: undefined,
};

export function cfmStatus(cfm: Cfm | undefined): CfmStatus {
  if (!cfm) return NO_STATUS;
  const opstate = cfm.remoteOpup ? 'up' : 'down';
  return {
    cfm_fault: cfm.isFaulty,
    cfm_fault_status: cfmFaults(cfm),
    cfm_flap_count: cfm.flaps,
    cfm_health: cfm.health,
    cfm_remote_mpids: cfm.remoteMpids.map((mpid) => integerAtom(mpid) as number),
    cfm_remote_opstate: cfm.settings.isExtended ? opstate : undefined,
  };
}
