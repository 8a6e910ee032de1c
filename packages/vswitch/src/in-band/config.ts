/** Remotes that bridges let through (ovs-vswitchd.conf.db(5), "Controller" and "Bridge"). */
import { OFP_PORT } from '@heddle/openflow';
import type { Idl } from '@heddle/ovsdb';
import { parseIpv4 } from '@heddle/packet';
import type { BridgeRow, Schema } from '../port-config.ts';
import { type LocalAddress, localAddressOf } from './local-address.ts';

const OVSDB_PORT = 6640;
const MAX_QUEUE = 0x7fff_ffff;

/** One TCP port of an IPv4 address. */
export interface Remote {
  readonly address: string;
  readonly port: number;
}

export interface InBandConfig {
  readonly remotes: readonly Remote[];
  readonly queue: number | undefined;
  /** What the local port is to have. */
  readonly local: LocalAddress | undefined;
}

/** Controllers are in-band where nothing else is said; managers are so for every bridge. */
export function inBandConfig(idl: Idl<Schema>, row: BridgeRow): InBandConfig {
  const controllers = row.controller
    .flatMap((uuid) => idl.get('Controller', uuid) ?? [])
    .filter((c) => c.connection_mode !== 'out-of-band');
  const local = controllers.map(localAddressOf).find((address) => address !== undefined);
  const config = row.other_config;
  if (config.get('disable-in-band') === 'true') return { remotes: [], queue: undefined, local };
  const managers = idl
    .rows('Open_vSwitch')
    .flatMap((root) => root.manager_options.flatMap((uuid) => idl.get('Manager', uuid) ?? []));
  const remotes = [
    ...controllers.map((c) => remoteOf(c.target, OFP_PORT)),
    ...managers.map((m) => remoteOf(m.target, OVSDB_PORT)),
  ].filter((remote) => remote !== undefined);
  const all = new Map(remotes.map((r) => [`${r.address}:${r.port}`, r]));
  return { remotes: [...all.values()], queue: queueOf(config.get('in-band-queue')), local };
}

/** Of `tcp:` and `ssl:` to an IPv4 address; names and IPv6 are not let through, as upstream's. */
function remoteOf(target: string, defaultPort: number): Remote | undefined {
  const [, address = '', port] = /^(?:tcp|ssl):([\d.]+)(?::(\d+))?$/.exec(target) ?? [];
  if (parseIpv4(address) === undefined) return undefined;
  const number = port === undefined ? defaultPort : Number(port);
  return number > 0 && number <= 0xffff ? { address, port: number } : undefined;
}

function queueOf(text: string | undefined): number | undefined {
  const queue = /^\d+$/.test(text ?? '') ? Number(text) : undefined;
  return queue !== undefined && queue <= MAX_QUEUE ? queue : undefined;
}
