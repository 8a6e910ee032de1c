/** What a switch calls its ports and tables, asked for when a name or a terminal needs it. */
import {
  type OfpBody,
  type PhyPort,
  type PortNames,
  type TableNames,
  tableNames,
  type VconnClient,
} from '@heddle/openflow';
import type { Settings } from './settings.ts';
import { openTarget } from './target.ts';

export class SwitchPorts implements PortNames {
  readonly ports: readonly PhyPort[];
  readonly #byNumber = new Map<number, string>();
  readonly #byName = new Map<string, number>();

  constructor(ports: readonly PhyPort[]) {
    this.ports = ports;
    const twice = new Set<string>();
    for (const { name, portNo } of ports) {
      if (this.#byName.has(name)) twice.add(name);
      this.#byName.set(name, portNo);
    }
    // A name of several ports says nothing.
    for (const { name, portNo } of ports) {
      if (twice.has(name)) this.#byName.delete(name);
      else this.#byNumber.set(portNo, name);
    }
  }

  nameOf(port: number): string | undefined {
    return this.#byNumber.get(port);
  }

  portOf(name: string): number | undefined {
    return this.#byName.get(name);
  }
}

export class SwitchTables implements TableNames {
  readonly #byNumber = new Map<number, string>();
  readonly #byName = new Map<string, number>();

  constructor(tables: readonly (readonly [id: number, name: string])[]) {
    for (const [id, name] of tables) {
      this.#byNumber.set(id, name);
      this.#byName.set(name, id);
    }
  }

  nameOf(table: number): string | undefined {
    return this.#byNumber.get(table);
  }

  tableOf(name: string): number | undefined {
    return this.#byName.get(name);
  }
}

/** Names in what is read: yes unless `--no-names`. */
export function acceptsNames(settings: Settings): boolean {
  return settings.names ?? true;
}

/** Names in what is printed: with `--names`, or on a terminal. */
export function showsNames(settings: Settings): boolean {
  return settings.names ?? process.stdout.isTTY ?? false;
}

const portsOf = new Map<string, SwitchPorts>();
const tablesOf = new Map<string, SwitchTables>();

export async function fetchPorts(settings: Settings, target: string): Promise<SwitchPorts> {
  let ports = portsOf.get(target);
  if (ports === undefined) {
    const vconn = await openTarget(settings, target);
    ports = new SwitchPorts(await askPorts(vconn));
    vconn.close();
    portsOf.set(target, ports);
  }
  return ports;
}

/** Since OpenFlow 1.3 the features do not list the ports. */
export async function askPorts(vconn: VconnClient): Promise<PhyPort[]> {
  if (vconn.version < 4) {
    const { msg } = await vconn.transact({ type: 'features_request' });
    return msg?.type === 'features_reply' ? [...msg.ports] : [];
  }
  const ports: PhyPort[] = [];
  for await (const { msg } of vconn.multipart({ type: 'port_desc_request' })) {
    if (msg?.type === 'port_desc_reply') ports.push(...msg.ports);
  }
  return ports;
}

export async function fetchTables(settings: Settings, target: string): Promise<SwitchTables> {
  let tables = tablesOf.get(target);
  if (tables === undefined) {
    const vconn = await openTarget(settings, target);
    tables = new SwitchTables(await askTables(vconn));
    vconn.close();
    tablesOf.set(target, tables);
  }
  return tables;
}

async function askTables(vconn: VconnClient): Promise<[number, string][]> {
  const names: [number, string][] = [];
  if (vconn.version < 4) {
    for await (const { msg } of vconn.multipart({ type: 'table_request' })) {
      if (msg?.type !== 'table_reply') continue;
      for (const { tableId, name = '' } of msg.tables) names.push([tableId, name]);
    }
  } else {
    const request: OfpBody = { type: 'table_features_request', tables: [] };
    for await (const { raw } of vconn.multipart(request)) {
      if (isMultipartReply(raw)) names.push(...tableNames(raw));
    }
  }
  // "classifier" and "tableN" are what a table is called that has no name.
  return names.filter(
    ([id, name]) => name !== '' && name !== `table${id}` && name !== 'classifier',
  );
}

const OFPT11_MULTIPART_REPLY = 19;

/** Otherwise it is an error. */
function isMultipartReply(raw: Uint8Array): boolean {
  return raw[1] === OFPT11_MULTIPART_REPLY;
}

export async function portsToAccept(s: Settings, target: string): Promise<SwitchPorts | undefined> {
  return acceptsNames(s) ? fetchPorts(s, target) : undefined;
}

export async function portsToShow(s: Settings, target: string): Promise<SwitchPorts | undefined> {
  return showsNames(s) ? fetchPorts(s, target) : undefined;
}

export async function tablesToAccept(
  s: Settings,
  target: string,
): Promise<SwitchTables | undefined> {
  return acceptsNames(s) ? fetchTables(s, target) : undefined;
}

export async function tablesToShow(s: Settings, target: string): Promise<SwitchTables | undefined> {
  return showsNames(s) ? fetchTables(s, target) : undefined;
}
