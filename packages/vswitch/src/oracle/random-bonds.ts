/** Bonds of random modes, for bridges that are compared with themselves: hashes are our own. */
import type { Random } from '@heddle/datapath/oracle/random-frame';
import { Bond } from '../bond/bond.ts';
import { Lacp } from '../lacp/lacp.ts';
import type { Bundle } from '../ofproto.ts';

const LACP = { active: true, fast: false, sysId: 1, sysPriority: 1 };

/** Makes a bond of a bundle's ports, of which some may be down. */
export function bondRandomly(r: Random, bundle: Bundle): void {
  const bond = new Bond(bundle.name, {
    mode: r.pick(['active-backup', 'balance-slb', 'balance-slb', 'balance-tcp', 'balance-tcp']),
    upDelayMs: 0,
    downDelayMs: 0,
    hashBasis: r.below(3),
    rebalanceMs: 0,
    allMembersActive: r.chance(30),
    primary: undefined,
    wantsLacp: false,
    fallsBack: r.chance(30),
    miimonMs: 0,
  });
  for (const port of bundle.ports) port.isLinkUp = r.chance(90);
  bond.setPorts(bundle.ports);
  bundle.bond = bond;
  if (r.chance(60)) {
    const lacp = new Lacp(bundle.name, LACP);
    const settings = (portId: number) => ({ portId, portPriority: 1, key: 1 });
    lacp.setMembers(new Map(bundle.ports.map((p, i) => [p, settings(i + 1)])), 0);
    for (const member of lacp.members.values()) member.attached = r.chance(80);
    bundle.lacp = lacp;
    bond.lacp = lacp;
  }
  bond.run(0);
  // A link that is lost has its member used until the bond has seen it.
  for (const port of bundle.ports) if (r.chance(10)) port.mayEnable = false;
}
