/** Ports of the datapath that tunnel ports share: one for each type and UDP port. */
import type { Dpif, OdpPort, TunnelVportType } from '@heddle/datapath';
import { SystemError } from '@heddle/runtime';
import type { OfPort } from '../ofproto.ts';
import type { TunnelConfig } from './config.ts';

interface Vport {
  readonly name: string;
  readonly odpPort: OdpPort;
  readonly gbp: boolean;
  readonly users: Set<OfPort>;
}

const PREFIXES: Readonly<Record<TunnelVportType, string>> = {
  vxlan: 'vxlan_sys',
  geneve: 'genev_sys',
  gre: 'gre_sys',
  erspan: 'erspan_sys',
  'gre-l3': 'gre_l3_sys',
};

type Place = Pick<TunnelConfig, 'type' | 'dstPort' | 'packetType'>;

function vportType({ type, packetType }: Place): TunnelVportType {
  return packetType === 'legacy_l3' && type === 'gre' ? 'gre-l3' : type;
}

/** `vxlan_sys_4789`, `gre_sys`: names as ovs-dpctl(8) shows them. */
export function vportName(place: Place): string {
  const prefix = PREFIXES[vportType(place)];
  return place.dstPort === 0 ? prefix : `${prefix}_${place.dstPort}`;
}

export class TunnelVports {
  readonly #dpif: Dpif;
  readonly #vports = new Map<string, Vport>();

  constructor(dpif: Dpif) {
    this.#dpif = dpif;
  }

  has(odpPort: OdpPort): boolean {
    return [...this.#vports.values()].some((v) => v.odpPort === odpPort);
  }

  /** Names and users, sorted by name. */
  list(): { readonly name: string; readonly odpPort: OdpPort; readonly users: number }[] {
    return [...this.#vports.values()]
      .map(({ name, odpPort, users }) => ({ name, odpPort, users: users.size }))
      .sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** The port for such a tunnel, made when it is the first; EEXIST: it is one of other extensions. */
  async acquire(port: OfPort, config: TunnelConfig): Promise<OdpPort> {
    const name = vportName(config);
    let vport = this.#vports.get(name);
    if (vport && vport.gbp !== config.gbp && [...vport.users].some((u) => u !== port)) {
      throw new SystemError('EEXIST', name);
    }
    if (!vport || vport.gbp !== config.gbp) {
      const odpPort = vport?.odpPort ?? (await this.#open(name, config));
      vport = { name, odpPort, gbp: config.gbp, users: vport?.users ?? new Set() };
      this.#vports.set(name, vport);
    }
    vport.users.add(port);
    await this.#releaseBut(port, vport);
    return vport.odpPort;
  }

  /** The users of the port that is `to` from now on. */
  renumbered(from: OdpPort, to: OdpPort): Iterable<OfPort> {
    for (const [name, vport] of this.#vports) {
      if (vport.odpPort !== from) continue;
      this.#vports.set(name, { ...vport, odpPort: to });
      return vport.users;
    }
    return [];
  }

  async release(port: OfPort): Promise<void> {
    await this.#releaseBut(port, undefined);
  }

  /** One that an earlier daemon has left is taken as it is. */
  async #open(name: string, config: TunnelConfig): Promise<OdpPort> {
    const type = vportType(config);
    for (const known of this.#dpif.ports()) {
      if (known.name !== name) continue;
      if (known.type === type) return known.portNo;
      await this.#dpif.portDel(known.portNo);
    }
    return this.#dpif.portAdd(name, type, undefined, { dstPort: config.dstPort });
  }

  async #releaseBut(port: OfPort, kept: Vport | undefined): Promise<void> {
    for (const [name, vport] of this.#vports) {
      if (vport === kept || !vport.users.delete(port) || vport.users.size > 0) continue;
      this.#vports.delete(name);
      await this.#dpif.portDel(vport.odpPort);
    }
  }
}
