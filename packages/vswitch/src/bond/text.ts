/** What bonds say of themselves (ovs-vswitchd(8), "BOND COMMANDS"). */
import type { Bond, Member } from './bond.ts';

export function showBond(bond: Bond, nowMs: number, macOf: (member: Member) => string): string {
  const { settings, active } = bond;
  const { mode } = settings;
  const balances = mode !== 'active-backup';
  const lines = [
    `---- ${bond.name} ----`,
    `bond_mode: ${mode}`,
    'bond may use recirculation: no, Recirc-ID : -1',
    `bond-hash-basis: ${settings.hashBasis}`,
    'lb_output action: disabled, bond-id: -1',
    ...(mode === 'balance-slb' ? [`all members active: ${settings.allMembersActive}`] : []),
    `updelay: ${settings.upDelayMs} ms`,
    `downdelay: ${settings.downDelayMs} ms`,
    ...(balances && Number.isFinite(bond.nextRebalanceMs)
      ? [`next rebalance: ${Math.max(Math.round(bond.nextRebalanceMs - nowMs), 0)} ms`]
      : []),
    `lacp_status: ${lacpStatus(bond)}`,
    `lacp_fallback_ab: ${settings.fallsBack}`,
    `active-backup primary: ${settings.primary ?? '<none>'}`,
    `active member mac: ${active ? `${macOf(active)}(${active.port.name})` : '00:00:00:00:00:00(none)'}`,
    '',
  ];
  for (const member of byName(bond)) lines.push(...showMember(bond, member));
  return `${lines.join('\n')}\n`;
}

function lacpStatus({ settings, lacp }: Bond): string {
  if (!settings.wantsLacp) return 'off';
  return lacp?.isNegotiated ? 'negotiated' : 'configured';
}

function showMember(bond: Bond, member: Member): string[] {
  const lines = [`member ${member.port.name}: ${member.enabled ? 'enabled' : 'disabled'}`];
  if (member === bond.active) lines.push('  active member');
  lines.push(`  may_enable: ${member.linkUp}`);
  if (bond.settings.mode !== 'active-backup') {
    for (const { bucket, bytes } of bond.buckets.load(member, bond.enabled)) {
      if (bytes < 1024) continue;
      lines.push(`  hash ${bucket}: ${Math.floor(bytes / 1024)} kB load`);
    }
  }
  lines.push('');
  return lines;
}

function byName(bond: Bond): Member[] {
  return [...bond.members.values()].sort((a, b) => (a.port.name < b.port.name ? -1 : 1));
}

export function listBonds(bonds: Iterable<Bond>): string {
  const lines = ['bond\ttype\trecircID\tmembers'];
  for (const bond of bonds) {
    const members = byName(bond).map((m) => m.port.name);
    lines.push([bond.name, bond.settings.mode, '0', members.join(', ')].join('\t'));
  }
  return `${lines.join('\n')}\n`;
}
