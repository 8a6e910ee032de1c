/**
 * Collects ports whose container or namespace has died. A veth dies with the namespace of its other
 * end, so a port is garbage when it has an owner on record, that owner is gone, and so is the
 * device. A port without an owner on record is never touched.
 */
import { linkNames, pendingLinks, removeLink } from './links.ts';
import { CONTAINER_ID, isAlive, OWNER, parseOwner } from './owner.ts';
import { deletePort, listPorts, type OwnedPort } from './switch-db.ts';
import { containerRuns } from './target.ts';

export interface Collected {
  /** Ports deleted from the database. */
  readonly ports: string[];
  /** Devices that an interrupted attach left. */
  readonly devices: string[];
}

/** Looks only, with `dryRun`. Runs in the switch's network namespace. */
export async function collectGarbage(options: { dryRun?: boolean } = {}): Promise<Collected> {
  const owned = (await listPorts()).filter(hasOwner);
  const present = linkNames();
  const ports: string[] = [];
  for (const port of owned) {
    if (present.has(port.name) || !(await ownerIsGone(port))) continue;
    if (!options.dryRun) await deletePort(port.name);
    ports.push(port.name);
  }
  return { ports, devices: collectDevices(owned, options) };
}

function hasOwner(port: OwnedPort): boolean {
  return OWNER in port.externalIds || CONTAINER_ID in port.externalIds;
}

async function ownerIsGone({ externalIds }: OwnedPort): Promise<boolean> {
  const owner = parseOwner(externalIds[OWNER] ?? '');
  if (owner !== undefined) return !isAlive(owner);
  // Attached by Open vSwitch's own ovs-docker: only the engine knows, and only if it answers.
  const container = externalIds[CONTAINER_ID];
  return container !== undefined && (await containerRuns(container)) === false;
}

/** What earlier attaches left when they were killed; asks the database only if there is any. */
export async function collectPending(): Promise<void> {
  if (pendingLinks().some(({ owner }) => !isAlive(owner))) {
    collectDevices((await listPorts()).filter(hasOwner), {});
  }
}

function collectDevices(owned: readonly OwnedPort[], options: { dryRun?: boolean }): string[] {
  const inDatabase = new Set(owned.map((port) => port.name));
  const devices: string[] = [];
  for (const { name, owner } of pendingLinks()) {
    if (inDatabase.has(name) || isAlive(owner)) continue;
    if (!options.dryRun) removeLink(name);
    devices.push(name);
  }
  return devices;
}
