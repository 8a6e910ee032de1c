/** Interface rows as settings of CFM (ovs-vswitchd.conf.db(5), "Connectivity Fault Management"). */
import type { TunnelConfig } from '../tunnel/config.ts';
import { INTERVALS_MS } from './ccm.ts';
import type { CfmSettings } from './cfm.ts';

const INTERVAL_MS = 1000;
const MAX_INTERVAL_MS = 65_535;
const MAX_MPID = 8191;
const MAX_VLAN = 4095;
const MAX_PCP = 7;

export interface CfmRow {
  readonly cfm_mpid: number | bigint | undefined;
  readonly other_config: ReadonlyMap<string, string>;
}

/** undefined: it is not wanted, or cannot be. `tunnel`: of an interface that is one. */
export function cfmSettings(
  { cfm_mpid, other_config: config }: CfmRow,
  tunnel: TunnelConfig | undefined,
): CfmSettings | undefined {
  if (cfm_mpid === undefined) return undefined;
  const isExtended = config.get('cfm_extended') === 'true';
  const mpid = BigInt(cfm_mpid);
  if (mpid <= 0n || (!isExtended && mpid > MAX_MPID)) return undefined;
  const integer = (key: string): number | undefined => {
    const text = config.get(key)?.trim() ?? '';
    return /^[+-]?\d+$/.test(text) ? Number(text) : undefined;
  };
  const wanted = integer('cfm_interval');
  const intervalMs = wanted === undefined || wanted <= 0 ? INTERVAL_MS : wanted;
  const vid = integer('cfm_ccm_vlan');
  const pcp = integer('cfm_ccm_pcp');
  const isRandom = config.get('cfm_ccm_vlan') === 'random';
  return {
    mpid,
    intervalMs: isExtended ? Math.min(intervalMs, MAX_INTERVAL_MS) : roundDown(intervalMs),
    isExtended,
    isDemand: config.get('cfm_demand') === 'true',
    opup: (config.get('cfm_opstate') ?? 'up').toLowerCase() === 'up',
    vlan: isRandom ? 'random' : inRange(vid, MAX_VLAN),
    pcp: inRange(pcp, MAX_PCP),
    checksTnlKey: tunnel !== undefined && (tunnel.inKey === 'none' || tunnel.inKey === 'flow'),
  };
}

function inRange(n: number | undefined, max: number): number | undefined {
  return n !== undefined && n >= 1 && n <= max ? n : undefined;
}

/** 802.1ag knows a few intervals only. */
function roundDown(ms: number): number {
  return INTERVALS_MS.findLast((known) => known !== 0 && known <= ms) ?? INTERVALS_MS[1];
}
