/** Mirrors of a bridge (ovs-vswitchd.conf.db(5), table Mirror). */
import type { Bundle, Ofproto } from './ofproto.ts';

export const MAX_MIRRORS = 32;

export interface MirrorSettings {
  readonly name: string;
  /** Ports whose arriving or departing packets are selected; `all` for both. */
  readonly all: boolean;
  readonly sources: ReadonlySet<Bundle>;
  readonly destinations: ReadonlySet<Bundle>;
  /** undefined: all VLANs. */
  readonly vlans: ReadonlySet<number> | undefined;
  /** Where copies go: a port of their own, or a VLAN. */
  readonly out: Bundle | number;
  /** Bytes of a copy at most; 0: all. */
  readonly snaplen: number;
}

export class Mirror {
  readonly settings: MirrorSettings;
  /** Bits of the mirrors with the same destination, which a packet reaches once. */
  readonly duplicates: number;
  readonly bit: number;
  readonly stats: { packets: number; bytes: number };

  constructor(
    settings: MirrorSettings,
    bit: number,
    duplicates: number,
    stats = { packets: 0, bytes: 0 },
  ) {
    this.settings = settings;
    this.bit = bit;
    this.duplicates = duplicates;
    this.stats = stats;
  }
}

/** Puts mirrors in force, with the counters of their earlier namesakes. Whether anything changed. */
export function configureMirrors(bridge: Ofproto, wanted: readonly MirrorSettings[]): boolean {
  const before = bridge.mirrors;
  if (wanted.length === before.length && wanted.every((w, i) => isSame(w, before[i]!.settings))) {
    return false;
  }
  const counters = new Map(before.map((m) => [m.settings.name, m.stats]));
  bridge.mirrors = wanted.slice(0, MAX_MIRRORS).map((settings, i) => {
    const duplicates = wanted.reduce(
      (bits, w, k) => bits | (w.out === settings.out ? 1 << k : 0),
      0,
    );
    return new Mirror(settings, 1 << i, duplicates, counters.get(settings.name));
  });
  for (const bundle of bridge.bundles.values()) {
    bundle.sourceMirrors = 0;
    bundle.destinationMirrors = 0;
    const wasReserved = bundle.isMirrorOutput;
    bundle.isMirrorOutput = false;
    for (const { bit, settings } of bridge.mirrors) {
      if (settings.all || settings.sources.has(bundle)) bundle.sourceMirrors |= bit;
      if (settings.all || settings.destinations.has(bundle)) bundle.destinationMirrors |= bit;
      if (settings.out === bundle) bundle.isMirrorOutput = true;
    }
    if (bundle.isMirrorOutput && !wasReserved) bridge.macs.flush(bundle);
  }
  return true;
}

function isSame(a: MirrorSettings, b: MirrorSettings): boolean {
  return (
    a.name === b.name &&
    a.all === b.all &&
    a.out === b.out &&
    a.snaplen === b.snaplen &&
    sameSet(a.sources, b.sources) &&
    sameSet(a.destinations, b.destinations) &&
    (a.vlans && b.vlans ? sameSet(a.vlans, b.vlans) : a.vlans === b.vlans)
  );
}

function sameSet<T>(a: ReadonlySet<T>, b: ReadonlySet<T>): boolean {
  return a.size === b.size && [...a].every((item) => b.has(item));
}
