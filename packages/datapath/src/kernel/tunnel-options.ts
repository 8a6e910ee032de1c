/** Options of tunnels that keys have a digest of, as the programs keep them (bpf/tunnel-options.h). */
import { randomFillSync } from 'node:crypto';
import type { BpfMap } from '@heddle/linux/bpf/index';
import { type Flow, shareTunnelOptions, TUN_OPTS_INLINE, tunnelOptions } from '@heddle/packet';
import { OPTIONS_BYTES, OPTIONS_KEY_BYTES, STATE } from './layout.ts';

export class TunnelOptionsTable {
  readonly #map: BpfMap;

  constructor(maps: Readonly<Record<string, BpfMap>>) {
    this.#map = maps['tun_options']!;
    const at = STATE.optionsSeed;
    const seed = new Uint32Array(maps['state']!.memory()).subarray(at, at + 3);
    if (seed.every((word) => word === 0)) randomFillSync(seed);
    shareTunnelOptions(seed, (key) => this.#lookup(key));
  }

  /** The programs may send them from now on. */
  enter(key: Flow): void {
    if (key.tunOptsLen <= TUN_OPTS_INLINE) return;
    const value = Buffer.alloc(OPTIONS_BYTES);
    value.set(tunnelOptions(key));
    this.#map.update(keyOf(key), value);
  }

  #lookup(key: Flow): Uint8Array | undefined {
    const value = this.#map.lookup(keyOf(key));
    return value && Uint8Array.from(value.subarray(0, key.tunOptsLen));
  }
}

function keyOf({ tunOptsLen, tunOpts }: Flow): Buffer {
  const key = Buffer.alloc(OPTIONS_KEY_BYTES);
  key.writeUInt32LE(tunOptsLen, 0);
  key.set(tunOpts, 4);
  return key;
}
