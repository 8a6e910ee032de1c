import { parseMac } from '@heddle/packet';
import { UnixctlError, type UnixctlServer } from '@heddle/runtime';
import { N_BUCKETS } from '../bond/balance.ts';
import type { Bond, Member } from '../bond/bond.ts';
import { slbBucket } from '../bond/hash.ts';
import { listBonds, showBond } from '../bond/text.ts';
import type { Bridge } from '../bridge.ts';
import type { Switch } from '../switch.ts';

interface Found {
  readonly bridge: Bridge;
  readonly bond: Bond;
}

/** bond/*: bonded ports (ovs-vswitchd(8), "BOND COMMANDS"). */
export function registerBond(server: UnixctlServer, sw: Switch): void {
  const all = (): Found[] =>
    [...sw.bridges.values()].flatMap((bridge) => bridge.bonds.map((bond) => ({ bridge, bond })));
  const find = (name: string): Found => {
    const found = all().find((f) => f.bond.name === name);
    if (!found) throw new UnixctlError('no such bond');
    return found;
  };
  const memberOf = ({ bond }: Found, name: string): Member => {
    const member = [...bond.members.values()].find((m) => m.port.name === name);
    if (!member) throw new UnixctlError('no such member');
    return member;
  };
  const show = ({ bond, bridge }: Found): string =>
    showBond(bond, bridge.ofprotoDpif.nowMs(), (m) => sw.devices.device(m.port.name)?.mac ?? '');

  server.register('bond/list', '', 0, 0, () => listBonds(all().map((f) => f.bond)));

  server.register('bond/show', '[port]', 0, 1, ([name]) =>
    (name === undefined ? all() : [find(name)]).map(show).join(''),
  );

  server.register('bond/migrate', 'port hash member', 3, 3, ([name, hash, member]) => {
    const found = find(name!);
    if (found.bond.settings.mode !== 'balance-slb') throw new UnixctlError('not an SLB bond');
    const bucket = /^\d+$/.test(hash!) ? Number(hash) % N_BUCKETS : undefined;
    if (bucket === undefined) throw new UnixctlError('bad hash');
    const target = memberOf(found, member!);
    if (!target.enabled) throw new UnixctlError('cannot migrate to disabled member');
    found.bond.buckets.assign(bucket, target);
    found.bridge.ofprotoDpif.tablesChanged();
    return 'migrated';
  });

  const activate = ([name, member]: readonly string[]): string => {
    const found = find(name!);
    const target = memberOf(found, member!);
    if (!target.enabled) throw new UnixctlError('cannot make disabled member active');
    if (target === found.bond.active) return 'no change';
    found.bond.active = target;
    found.bridge.bondMoved(found.bond);
    return 'done';
  };
  server.register('bond/set-active-member', 'port member', 2, 2, activate);

  const force =
    (enabled: boolean) =>
    ([name, member]: readonly string[]) => {
      const found = find(name!);
      found.bond.force(memberOf(found, member!), enabled);
      found.bridge.bondMoved(found.bond);
      return enabled ? 'enabled' : 'disabled';
    };
  server.register('bond/enable-member', 'port member', 2, 2, force(true));
  server.register('bond/disable-member', 'port member', 2, 2, force(false));

  // As they were called once.
  server.register('bond/set-active-slave', undefined, 2, 2, activate);
  server.register('bond/enable-slave', undefined, 2, 2, force(true));
  server.register('bond/disable-slave', undefined, 2, 2, force(false));

  server.register('bond/hash', 'mac [vlan] [basis]', 1, 3, ([mac, vlan = '0', basis = '0']) => {
    if (!/^\d+$/.test(vlan)) throw new UnixctlError('invalid vlan');
    if (!/^\d+$/.test(basis)) throw new UnixctlError('invalid basis');
    const address = parseMac(mac!);
    if (address === undefined) throw new UnixctlError('invalid mac');
    return String(slbBucket(address, Number(vlan), Number(basis)));
  });
}
