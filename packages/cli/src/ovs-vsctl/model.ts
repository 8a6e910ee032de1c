/** Bridges (real and fake), ports and interfaces as ovs-vsctl(8) speaks of them. */
import { VsctlError } from './errors.ts';
import type { Row, Store } from './store.ts';

export interface BridgeModel {
  readonly name: string;
  /** The real bridge's. */
  readonly row: Row;
  /** For a fake bridge: its Port row in the real one, whose VLAN it is. */
  readonly fake?: { readonly port: Row; readonly vlan: number; readonly parent: string };
  /** Without the local port. */
  readonly ports: PortModel[];
}

export interface PortModel {
  readonly name: string;
  readonly row: Row;
  readonly bridge: BridgeModel;
  readonly interfaces: InterfaceModel[];
}

export interface InterfaceModel {
  readonly name: string;
  readonly row: Row;
  readonly port: PortModel;
}

/** Where what is wrong with the database is told. */
export type Complain = (level: 'warn' | 'err', text: string) => void;

export class Model {
  readonly store: Store;
  readonly root: Row;
  readonly #complain: Complain;
  #names: Names | undefined;
  #version = -1;
  /** The changes since the last look were this class's own. */
  #ownChange = false;

  constructor(store: Store, complain: Complain) {
    this.store = store;
    this.#complain = complain;
    this.root = store.all('Open_vSwitch')[0] ?? store.insert('Open_vSwitch');
  }

  bridges(): BridgeModel[] {
    return [...this.#look().bridges.values()];
  }

  findBridge(name: string): BridgeModel | undefined {
    return this.#look().bridges.get(name);
  }

  bridge(name: string): BridgeModel {
    const bridge = this.findBridge(name);
    if (!bridge) throw new VsctlError(`no bridge named ${name}`);
    // A change to a bridge that is gone by then would be lost without a word.
    bridge.row.verify('name');
    return bridge;
  }

  /** A bridge that is not fake. */
  realBridge(name: string): BridgeModel {
    const bridge = this.bridge(name);
    if (bridge.fake) throw new VsctlError(`${name} is a fake bridge`);
    return bridge;
  }

  /** The fake bridge on a VLAN of a real one. */
  child(parent: BridgeModel, vlan: number): BridgeModel | undefined {
    return this.bridges().find(({ fake }) => fake?.parent === parent.name && fake.vlan === vlan);
  }

  /** Not the local port of a bridge. */
  findPort(name: string): PortModel | undefined {
    return this.#look().ports.get(name);
  }

  port(name: string): PortModel {
    const port = this.findPort(name);
    if (!port || this.findBridge(name)) throw new VsctlError(`no port named ${name}`);
    return port;
  }

  findInterface(name: string): InterfaceModel | undefined {
    return this.#look().interfaces.get(name);
  }

  interface(name: string): InterfaceModel {
    const found = this.findInterface(name);
    if (!found || this.findBridge(name)) throw new VsctlError(`no interface named ${name}`);
    return found;
  }

  /** Those of the local port, too, but the bridge's own. */
  interfacesOf(bridge: BridgeModel): InterfaceModel[] {
    const all = [...this.#look().interfaces.values()];
    return all.filter(({ name, port }) => port.bridge === bridge && name !== bridge.name);
  }

  /** Refuses a name that a bridge, port or interface has. */
  checkFree(name: string, refusal: string): void {
    if (this.findBridge(name)) {
      throw new VsctlError(`${refusal} because a bridge named ${name} already exists`);
    }
    const port = this.findPort(name);
    if (port) {
      throw new VsctlError(
        `${refusal} because a port named ${name} already exists on bridge ${port.bridge.name}`,
      );
    }
    const found = this.findInterface(name);
    if (found) {
      throw new VsctlError(
        `${refusal} because an interface named ${name} already exists on bridge ${found.port.bridge.name}`,
      );
    }
    for (const table of ['Bridge', 'Port', 'Interface']) this.#staysFree(table, name);
  }

  addInterface(name: string, type = ''): Row {
    const row = this.store.insert('Interface');
    row.set('name', { keys: [name] });
    if (type !== '') row.set('type', { keys: [type] });
    return row;
  }

  addPort(bridge: Row, name: string, interfaces: readonly Row[]): Row {
    const row = this.store.insert('Port');
    row.set('name', { keys: [name] });
    row.set('interfaces', { keys: interfaces.map((i) => i.uuid).sort() });
    bridge.insert('ports', { keys: [row.uuid] });
    this.#ownChange = true;
    return row;
  }

  addBridge(name: string): Row {
    const row = this.store.insert('Bridge');
    row.set('name', { keys: [name] });
    this.addPort(row, name, [this.addInterface(name, 'internal')]);
    this.root.insert('bridges', { keys: [row.uuid] });
    return row;
  }

  addBondInterface(port: PortModel, name: string): void {
    const keys = [...port.row.get('interfaces').keys, this.addInterface(name).uuid].sort();
    port.row.verify('interfaces');
    port.row.set('interfaces', { keys });
    this.#ownChange = true;
  }

  deleteInterface({ row, port }: InterfaceModel): void {
    const keys = port.row.get('interfaces').keys.filter((k) => k !== row.uuid);
    port.row.verify('interfaces');
    port.row.set('interfaces', { keys });
    this.store.delete(row);
    this.#ownChange = true;
  }

  deletePort({ row, bridge }: PortModel): void {
    bridge.row.verify('name');
    this.#deletePortRow(bridge.row, row);
  }

  deleteBridge(bridge: BridgeModel): void {
    if (bridge.fake) {
      for (const port of bridge.ports) this.deletePort(port);
      this.#deletePortRow(bridge.row, bridge.fake.port);
      return;
    }
    for (const port of this.store.refs(bridge.row, 'ports')) {
      this.#deletePortRow(bridge.row, port);
    }
    this.root.remove('bridges', [bridge.row.uuid]);
    this.store.delete(bridge.row);
    this.#ownChange = true;
  }

  #deletePortRow(bridge: Row, port: Row): void {
    bridge.remove('ports', [port.uuid]);
    for (const row of this.store.refs(port, 'interfaces')) this.store.delete(row);
    this.store.delete(port);
    this.#ownChange = true;
  }

  /** Somebody else may make such a row meanwhile: then it is all looked at again. */
  #staysFree(table: string, name: string): void {
    for (const row of this.store.everything()) {
      if (row.table.name === table && row.scalar('name') === name) return;
    }
    this.store.absent.push({ table, name });
  }

  #look(): Names {
    if (this.#names && this.#version === this.store.version) return this.#names;
    const complain = this.#names && this.#ownChange ? () => {} : this.#complain;
    this.#version = this.store.version;
    this.#ownChange = false;
    this.#names = new Names(this.store, complain).read(this.root);
    return this.#names;
  }
}

/** One look at the rows; what should not be is warned of and left out. */
class Names {
  readonly bridges = new Map<string, BridgeModel>();
  readonly ports = new Map<string, PortModel>();
  readonly interfaces = new Map<string, InterfaceModel>();
  readonly #store: Store;
  readonly #complain: Complain;

  constructor(store: Store, complain: Complain) {
    this.#store = store;
    this.#complain = complain;
  }

  read(root: Row): this {
    const rows = this.#store.refs(root, 'bridges');
    const byVlan = new Map<Row, Map<number, BridgeModel>>();
    for (const row of rows) {
      const name = row.scalar('name')!;
      if (!this.bridges.has(name)) byVlan.set(row, this.#readBridge(row));
      else this.#complain('warn', `${name}: database contains duplicate bridge name`);
    }
    for (const [row, fakes] of byVlan) this.#readPorts(row, fakes);
    return this;
  }

  /** Two rows, of which the server will take one. */
  #duplicate(what: string, name: string): void {
    this.#complain('err', `${name}: database contains duplicate ${what} name`);
  }

  /** Returns its fake bridges. */
  #readBridge(row: Row): Map<number, BridgeModel> {
    const name = row.scalar('name')!;
    this.bridges.set(name, { name, row, ports: [] });
    const byVlan = new Map<number, BridgeModel>();
    for (const port of this.#store.refs(row, 'ports')) {
      const vlan = fakeVlan(port);
      if (vlan === undefined) continue;
      const fake: BridgeModel = {
        name: port.scalar('name')!,
        row,
        fake: { port, vlan, parent: name },
        ports: [],
      };
      const other = byVlan.get(vlan);
      if (other) {
        this.#complain(
          'warn',
          `${name}: bridge has multiple VLAN bridges (${other.name} and ${fake.name}) for VLAN ${vlan}, but only one is allowed`,
        );
      } else byVlan.set(vlan, fake);
      this.bridges.set(fake.name, fake);
    }
    return byVlan;
  }

  #readPorts(bridgeRow: Row, byVlan: ReadonlyMap<number, BridgeModel>): void {
    const real = this.bridges.get(bridgeRow.scalar('name')!)!;
    for (const row of this.#store.refs(bridgeRow, 'ports')) {
      const name = row.scalar('name')!;
      const other = this.ports.get(name);
      if (other) {
        const bridges = `${other.bridge.name} and ${real.name}`;
        if (other.row !== row) this.#duplicate('port', name);
        else this.#complain('warn', `${name}: port is in multiple bridges (${bridges})`);
        continue;
      }
      const tag = row.scalar('tag');
      const bridge = (tag === undefined ? undefined : byVlan.get(Number(tag))) ?? real;
      const port: PortModel = { name, row, bridge, interfaces: [] };
      this.ports.set(name, port);
      if (name !== bridge.name && fakeVlan(row) === undefined) bridge.ports.push(port);
      this.#readInterfaces(port);
    }
  }

  #readInterfaces(port: PortModel): void {
    for (const row of this.#store.refs(port.row, 'interfaces')) {
      const name = row.scalar('name')!;
      const other = this.interfaces.get(name);
      if (other) {
        const ports = `${other.port.name} and ${port.name}`;
        if (other.row !== row) this.#duplicate('interface', name);
        else this.#complain('warn', `${name}: interface is in multiple ports (${ports})`);
        continue;
      }
      const found: InterfaceModel = { name, row, port };
      this.interfaces.set(name, found);
      port.interfaces.push(found);
    }
  }
}

function fakeVlan(port: Row): number | undefined {
  if (port.scalar('fake_bridge') !== 'true') return undefined;
  const tag = port.scalar('tag');
  return tag === undefined ? undefined : Number(tag);
}
