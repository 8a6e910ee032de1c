/**
 * Tunnel ports of all bridges of a datapath. Several share one port of the datapath, by type and
 * UDP port: which of them a packet came by tell its key and addresses.
 */
import type { OdpPort } from '@heddle/datapath';
import { type Flow, toHex, tunnelDestination, tunnelSource } from '@heddle/packet';
import type { OfPort } from '../ofproto.ts';
import { keyText, type TunnelConfig, type TunnelKey, tunnelMatchText } from './config.ts';

interface Entry {
  readonly port: OfPort;
  readonly config: TunnelConfig;
  readonly odpPort: OdpPort;
}

const ANY = '*';
const FLOW = 'flow';

export class TunnelPorts {
  readonly #entries = new Map<string, Entry>();
  readonly #keys = new Map<OfPort, string>();

  /** False when another port is told apart by nothing; `taken` hears which. */
  add(
    port: OfPort,
    odpPort: OdpPort,
    config: TunnelConfig,
    taken: (by: string, match: string) => void,
  ): boolean {
    const key = entryKey(odpPort, inKeyText(config.inKey), end(config.remote), end(config.local));
    const other = this.#entries.get(key);
    if (other && other.port !== port) {
      taken(other.port.name, tunnelMatchText(other.config, odpPort));
      return false;
    }
    this.remove(port);
    this.#entries.set(key, { port, config, odpPort });
    this.#keys.set(port, key);
    return true;
  }

  remove(port: OfPort): void {
    const key = this.#keys.get(port);
    if (key === undefined) return;
    this.#keys.delete(port);
    this.#entries.delete(key);
  }

  get size(): number {
    return this.#entries.size;
  }

  /** The port that a packet came by: the one that says most of it (in_key, then remote, local). */
  receive(flow: Flow): OfPort | undefined {
    const remote = toHex(tunnelSource(flow));
    const local = toHex(tunnelDestination(flow));
    for (const inKey of [flow.tunId.toString(), FLOW]) {
      for (const [r, l] of [
        [remote, local],
        [remote, ANY],
        [FLOW, local],
        [FLOW, ANY],
        [FLOW, FLOW],
      ] as const) {
        const found = this.#entries.get(entryKey(flow.inPort, inKey, r, l));
        if (found) return found.port;
      }
    }
    return undefined;
  }

  *entries(): Iterable<Entry> {
    yield* this.#entries.values();
  }
}

function entryKey(odpPort: OdpPort, inKey: string, remote: string, local: string): string {
  return `${odpPort}/${inKey}/${remote}/${local}`;
}

/** No key is key 0. */
function inKeyText(key: TunnelKey): string {
  return key === 'none' ? '0' : key.toString();
}

function end(address: Uint8Array | 'flow' | undefined): string {
  if (address === undefined) return ANY;
  return address === 'flow' ? FLOW : toHex(address);
}

/** A line of `ofproto/list-tunnels`. */
export function tunnelLine({ port, config, odpPort }: Entry): string {
  const c = config;
  let text = `port ${odpPort}: ${port.name} (${c.type}: ${tunnelMatchText(c, odpPort)}`;
  if (c.outKey !== c.inKey) {
    text += `, out_key=${c.outKey === 'none' ? 'none' : keyText(c.outKey)}`;
  }
  text += `, ttl=${c.ttl}`;
  if (c.tos === 'inherit') text += ', tos=inherit';
  else if (c.tos !== 0) text += `, tos=0x${c.tos.toString(16)}`;
  if (!c.dontFragment) text += ', df=false';
  if (c.csum) text += ', csum=true';
  return `${text})`;
}
