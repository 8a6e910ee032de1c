/** What LACP has agreed with its partners, for the next daemon. */
import type { Lacp } from './lacp.ts';
import { type LacpInfo, NO_INFO } from './pdu.ts';

/** By the member's name. */
type Kept = Readonly<Record<string, { readonly partner: LacpInfo; readonly heardOfUs: LacpInfo }>>;

/** undefined: there is no partner. */
export function lacpToKeep(lacp: Lacp): Kept | undefined {
  const entries = [...lacp.members].flatMap(([port, { status, partner, heardOfUs }]) =>
    status === 'current' ? [[port.name, { partner, heardOfUs }] as const] : [],
  );
  return entries.length === 0 ? undefined : Object.fromEntries(entries);
}

/** Goes on as the last daemon did; partners that are gone time out. */
export function restoreLacp(lacp: Lacp, kept: unknown, nowMs: number): void {
  if (typeof kept !== 'object' || kept === null) return;
  for (const port of lacp.members.keys()) {
    const entry = (kept as Record<string, Record<string, unknown> | undefined>)[port.name];
    const [partner, heardOfUs] = [entry?.['partner'], entry?.['heardOfUs']];
    if (isInfo(partner) && isInfo(heardOfUs)) lacp.restore(port, partner, heardOfUs, nowMs);
  }
}

function isInfo(value: unknown): value is LacpInfo {
  if (typeof value !== 'object' || value === null) return false;
  return Object.keys(NO_INFO).every((key) =>
    Number.isSafeInteger((value as Record<string, unknown>)[key]),
  );
}
