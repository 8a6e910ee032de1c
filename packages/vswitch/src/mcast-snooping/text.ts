/** What `mdb/show` says (ovs-vswitchd(8)). */
import { type Bundle, OFPP_LOCAL } from '../ofproto.ts';
import type { McastSnooping } from './mcast-snooping.ts';

export function showSnooping(snooping: McastSnooping<Bundle>): string {
  const lines = [' port  VLAN  GROUP                Age'];
  const add = (bundle: Bundle, vlan: number, what: string, lastMs: number) => {
    const ofport = bundle.ports[0]?.ofport;
    const port = ofport === OFPP_LOCAL ? 'LOCAL' : String(ofport ?? '');
    const age = String(snooping.ageSeconds(lastMs)).padStart(3);
    lines.push(`${port.padStart(5)}  ${String(vlan).padStart(4)}  ${what}${age}`);
  };
  for (const { vlan, group, ports } of snooping.groups()) {
    for (const [bundle, lastMs] of ports) add(bundle, vlan, `${group}         `, lastMs);
  }
  for (const { vlan, port, lastMs } of snooping.routers()) {
    add(port, vlan, 'querier             ', lastMs);
  }
  return `${lines.join('\n')}\n`;
}
