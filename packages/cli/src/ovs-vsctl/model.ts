/** Bridges (real and fake), ports and interfaces as ovs-vsctl(8) speaks of them. */
import { VsctlError } from './errors.ts';
import type { Store, StoredRow } from './store.ts';

export interface BridgeModel {
  readonly name: string;
  readonly row: StoredRow;
  /** For a fake bridge: its Port row in the real one, whose VLAN it is. */
  readonly fake:
    | { readonly port: StoredRow; readonly vlan: number; readonly parent: string }
    | undefined;
}

export interface PortModel {
  readonly name: string;
  readonly row: StoredRow;
  readonly bridge: BridgeModel;
  readonly interfaces: readonly StoredRow[];
}

export class Model {
  readonly store: Store;
  readonly root: StoredRow;

  constructor(store: Store) {
    this.store = store;
    this.root = store.all('Open_vSwitch')[0] ?? store.insert('Open_vSwitch');
  }

  /** Real bridges first, each followed by its fake ones. */
  bridges(): BridgeModel[] {
    const out: BridgeModel[] = [];
    for (const row of this.store.refs(this.root, 'bridges')) {
      const name = row.scalar('name')!;
      out.push({ name, row, fake: undefined });
      for (const port of this.store.refs(row, 'ports')) {
        const vlan = fakeVlan(port);
        if (vlan !== undefined) {
          out.push({ name: port.scalar('name')!, row, fake: { port, vlan, parent: name } });
        }
      }
    }
    return out;
  }

  findBridge(name: string): BridgeModel | undefined {
    return this.bridges().find((b) => b.name === name);
  }

  bridge(name: string): BridgeModel {
    const bridge = this.findBridge(name);
    if (!bridge) throw new VsctlError(`no bridge named ${name}`);
    return bridge;
  }

  /** A bridge that is not fake. */
  realBridge(name: string): BridgeModel {
    const bridge = this.bridge(name);
    if (bridge.fake) throw new VsctlError(`${name} is a fake bridge`);
    return bridge;
  }

  /** Every port but the bridges' own (a fake bridge's is its own). */
  ports(): PortModel[] {
    const all = this.bridges();
    const byVlan = new Map<string, BridgeModel>();
    for (const b of all) if (b.fake) byVlan.set(`${b.fake.parent}/${b.fake.vlan}`, b);
    const out: PortModel[] = [];
    for (const bridge of all) {
      if (bridge.fake) continue;
      for (const row of this.store.refs(bridge.row, 'ports')) {
        const tag = row.scalar('tag');
        const fake = tag === undefined ? undefined : byVlan.get(`${bridge.name}/${tag}`);
        const name = row.scalar('name')!;
        out.push({
          name,
          row,
          bridge: fake ?? bridge,
          interfaces: this.store.refs(row, 'interfaces'),
        });
      }
    }
    return out;
  }

  /** Ports of one bridge without its own local port. */
  portsOf(bridge: BridgeModel): PortModel[] {
    return this.ports().filter((p) => p.bridge.name === bridge.name && p.name !== bridge.name);
  }

  findPort(name: string): PortModel | undefined {
    return this.ports().find((p) => p.name === name);
  }

  port(name: string): PortModel {
    const port = this.findPort(name);
    if (!port || this.findBridge(name)) throw new VsctlError(`no port named ${name}`);
    return port;
  }

  findInterface(name: string): { row: StoredRow; port: PortModel } | undefined {
    for (const port of this.ports()) {
      for (const row of port.interfaces) if (row.scalar('name') === name) return { row, port };
    }
    return undefined;
  }

  /** Refuses a name that a bridge, port or interface has. */
  checkFree(name: string, refusal: string): void {
    const bridge = this.findBridge(name);
    if (bridge) {
      throw new VsctlError(`${refusal} because a bridge named ${name} already exists`);
    }
    const port = this.findPort(name);
    if (port) {
      throw new VsctlError(
        `${refusal} because a port named ${name} already exists on bridge ${port.bridge.name}`,
      );
    }
    const iface = this.findInterface(name);
    if (iface) {
      throw new VsctlError(
        `${refusal} because an interface named ${name} already exists on bridge ${iface.port.bridge.name}`,
      );
    }
  }

  addInterface(name: string, type = ''): StoredRow {
    const row = this.store.insert('Interface');
    row.set('name', { keys: [name] });
    if (type !== '') row.set('type', { keys: [type] });
    return row;
  }

  addPort(bridge: StoredRow, name: string, interfaces: readonly StoredRow[]): StoredRow {
    const row = this.store.insert('Port');
    row.set('name', { keys: [name] });
    row.set('interfaces', { keys: interfaces.map((i) => i.uuid).sort() });
    bridge.addKey('ports', row.uuid);
    return row;
  }

  addBridge(name: string): StoredRow {
    const row = this.store.insert('Bridge');
    row.set('name', { keys: [name] });
    this.addPort(row, name, [this.addInterface(name, 'internal')]);
    this.root.addKey('bridges', row.uuid);
    return row;
  }

  deletePort(port: PortModel): void {
    this.#removePortRow(port.bridge.row, port.row);
  }

  deleteBridge(bridge: BridgeModel): void {
    for (const b of this.bridges()) {
      if (bridge.fake === undefined && b.fake?.parent === bridge.name) this.deleteBridge(b);
    }
    for (const port of this.portsOf(bridge)) this.deletePort(port);
    if (bridge.fake) this.#removePortRow(bridge.row, bridge.fake.port);
    else {
      for (const port of this.store.refs(bridge.row, 'ports'))
        this.#removePortRow(bridge.row, port);
      this.root.removeKey('bridges', bridge.row.uuid);
      this.store.delete(bridge.row);
    }
  }

  #removePortRow(bridge: StoredRow, port: StoredRow): void {
    bridge.removeKey('ports', port.uuid);
    for (const iface of this.store.refs(port, 'interfaces')) this.store.delete(iface);
    this.store.delete(port);
  }
}

function fakeVlan(port: StoredRow): number | undefined {
  if (port.scalar('fake_bridge') !== 'true') return undefined;
  const tag = port.scalar('tag');
  return tag === undefined ? undefined : Number(tag);
}
