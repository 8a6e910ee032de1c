/**
 * Attaching a namespace to a bridge: all of it, or nothing.
 *
 * The veth pair is made in a namespace that only this process holds. Its inner end moves to the
 * target and is set up there, the outer end comes out last, followed by one database transaction.
 * Should this process be killed before the last move, the kernel destroys the holding namespace
 * and with it both ends. Between that move and the transaction the outer end carries an alias
 * that names this process; `collectGarbage` removes such an end once the process is gone.
 */
import { randomUUID } from 'node:crypto';
import { AttachError } from './errors.ts';
import { collectPending } from './gc.ts';
import type { InsideConfig } from './inside-config.ts';
import { LinkWorkshop, linkExists, pendingLinks, removeLink } from './links.ts';
import { CONTAINER_ID, CONTAINER_IFACE, formatOwner, isThisProcess, OWNER } from './owner.ts';
import { addPort, bridgeExists, deletePort, findPorts, type OwnedPort } from './switch-db.ts';
import type { Target } from './target.ts';

export type AttachStep = 'built' | 'handed over' | 'entered';

export interface AttachRequest extends InsideConfig {
  readonly bridge: string;
  readonly target: Target;
  /** Name of the device on the switch's side; one is made up when absent. */
  readonly portName?: string;
  /** Columns of the port, as `tag=100`. */
  readonly portColumns?: readonly string[];
  readonly createBridge?: boolean;
  /** Told of each step as it is done. */
  readonly onStep?: (step: AttachStep) => void;
}

/** Returns the name of the port. */
export async function attach(request: AttachRequest): Promise<string> {
  const { bridge, target, interfaceName } = request;
  await collectPending();
  checkDeviceName(interfaceName);
  if (await isAttached(target.name, interfaceName)) {
    throw new AttachError(
      `Port already attached for CONTAINER=${target.name} and INTERFACE=${interfaceName}`,
    );
  }
  if (!request.createBridge && !(await bridgeExists(bridge))) {
    throw new AttachError(`no bridge named ${bridge}`, 2);
  }
  const port = request.portName ?? makePortName();
  checkDeviceName(port);
  if (linkExists(port)) throw new AttachError(`device ${port} exists already`);
  const stop = new AbortController();
  const forget = onSignal(() => stop.abort());
  using workshop = new LinkWorkshop(target.netns);
  try {
    workshop.build(port, request);
    request.onStep?.('built');
    stop.signal.throwIfAborted();
    workshop.handOver(port);
    request.onStep?.('handed over');
    const ids = {
      [CONTAINER_ID]: target.name,
      [CONTAINER_IFACE]: interfaceName,
      [OWNER]: formatOwner(target.owner),
    };
    const options = { createBridge: request.createBridge === true };
    await addPort(bridge, port, ids, request.portColumns, options);
    request.onStep?.('entered');
    stop.signal.throwIfAborted();
    workshop.claimed(port);
    return port;
  } catch (error) {
    await undo(port, request).catch(() => {});
    throw stop.signal.aborted ? new AttachError('interrupted; nothing was attached') : error;
  } finally {
    forget();
  }
}

/** Removes the port from the database and its device, and so the end inside, too. */
export async function detach(port: OwnedPort): Promise<void> {
  await deletePort(port.name);
  removeLink(port.name);
}

export function findAttached(container: string, interfaceName?: string): Promise<OwnedPort[]> {
  const ids = { [CONTAINER_ID]: container };
  return findPorts(
    interfaceName === undefined ? ids : { ...ids, [CONTAINER_IFACE]: interfaceName },
  );
}

/** Only what this attach made: a port of the same name may be somebody else's. */
async function undo(port: string, { target, interfaceName }: AttachRequest): Promise<void> {
  const ours = await findAttached(target.name, interfaceName);
  if (ours.some(({ name }) => name === port)) await deletePort(port);
  if (isPending(port)) removeLink(port);
}

function isPending(device: string): boolean {
  return pendingLinks().some(({ name, owner }) => name === device && isThisProcess(owner));
}

async function isAttached(container: string, interfaceName: string): Promise<boolean> {
  return (await findAttached(container, interfaceName)).length > 0;
}

/** As Open vSwitch's own: 13 hex digits and what tells the switch's end. */
function makePortName(): string {
  return `${randomUUID().replaceAll('-', '').slice(0, 13)}_l`;
}

/** dev_valid_name() of the kernel. */
function checkDeviceName(name: string): void {
  const valid = /^[^\s/:]{1,15}$/.test(name) && name !== '.' && name !== '..';
  if (!valid) throw new AttachError(`"${name}" is not a valid device name (1 to 15 characters)`);
}

function onSignal(handler: () => void): () => void {
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  for (const signal of signals) process.once(signal, handler);
  return () => {
    for (const signal of signals) process.off(signal, handler);
  };
}
