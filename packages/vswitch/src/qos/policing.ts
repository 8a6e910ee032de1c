/** Ingress policing of an Interface row (ovs-vswitchd.conf.db(5), "Ingress Policing"). */
import type { Policing } from '@heddle/datapath';
import type { InterfaceRow } from '../port-config.ts';

const DEFAULT_BURST_KBITS = 8000;
const DEFAULT_BURST_KPKTS = 16;

export function policingOf(row: InterfaceRow): Policing {
  return {
    bits: {
      rate: row.ingress_policing_rate,
      burst: row.ingress_policing_burst || DEFAULT_BURST_KBITS,
    },
    kpkts: {
      rate: row.ingress_policing_kpkts_rate,
      burst: row.ingress_policing_kpkts_burst || DEFAULT_BURST_KPKTS,
    },
  };
}
