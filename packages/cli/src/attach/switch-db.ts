/** The few questions and changes that attaching needs of the database, in ovs-vsctl's words. */
import { HeddleError } from '@heddle/runtime/errors';
import { VsctlError } from '../ovs-vsctl/errors.ts';
import { vsctl as runVsctl } from '../ovs-vsctl/vsctl.ts';
import { AttachError } from './errors.ts';

export interface OwnedPort {
  /** Name of the port, of its interface and of its device. */
  readonly name: string;
  readonly externalIds: Readonly<Record<string, string>>;
}

const TIMEOUT_SECONDS = 60;

/** Runs a command line of ovs-vsctl's; its error text and status are the error's. */
export async function vsctl(...args: string[]): Promise<string> {
  try {
    return await runVsctl([`--timeout=${TIMEOUT_SECONDS}`, ...args]);
  } catch (error) {
    if (!(error instanceof HeddleError)) throw error;
    const status = error instanceof VsctlError ? error.status : 1;
    throw new AttachError(`ovs-vsctl: ${error.message}`, status);
  }
}

/** ovs-vsctl exits 2 when there is no such bridge. */
export async function bridgeExists(bridge: string): Promise<boolean> {
  try {
    await vsctl('br-exists', bridge);
    return true;
  } catch (error) {
    if (error instanceof AttachError && error.status === 2) return false;
    throw error;
  }
}

/** Interfaces whose external_ids hold all of these. */
export async function findPorts(ids: Record<string, string>): Promise<OwnedPort[]> {
  const where = Object.entries(ids).map(([key, value]) => `external_ids:${key}=${quote(value)}`);
  const columns = ['--format=json', '--columns=name,external_ids'];
  return decode(await vsctl(...columns, 'find', 'Interface', ...where));
}

export async function listPorts(): Promise<OwnedPort[]> {
  return decode(await vsctl('--format=json', '--columns=name,external_ids', 'list', 'Interface'));
}

export async function bridgeOf(port: string): Promise<string | undefined> {
  try {
    return (await vsctl('port-to-br', port)).trim();
  } catch {
    return undefined;
  }
}

/** One transaction: the port with all that is known of it, or nothing. */
export async function addPort(
  bridge: string,
  port: string,
  ids: Record<string, string>,
  portColumns: readonly string[] = [],
  options: { createBridge?: boolean } = {},
): Promise<void> {
  const interfaceColumns = Object.entries(ids).map(
    ([key, value]) => `external_ids:${key}=${quote(value)}`,
  );
  const create = options.createBridge ? ['--may-exist', 'add-br', bridge, '--'] : [];
  await vsctl(
    ...create,
    ...['add-port', bridge, port, ...portColumns],
    ...['--', 'set', 'Interface', port, ...interfaceColumns],
  );
}

export async function deletePort(port: string, bridge?: string): Promise<void> {
  await vsctl('--if-exists', 'del-port', ...(bridge === undefined ? [] : [bridge]), port);
}

/** An atom that ovs-vsctl reads as this string, whatever it holds. */
export function quote(text: string): string {
  return /^[A-Za-z_][\w.-]*$/.test(text) ? text : JSON.stringify(text);
}

function decode(text: string): OwnedPort[] {
  const { data } = JSON.parse(text) as { data: [string, ['map', [string, string][]]][] };
  return data.map(([name, [, pairs]]) => ({ name, externalIds: Object.fromEntries(pairs) }));
}
