/** What a flow matches: the bits of `mask` in a packet's key must be those of `key`. */
import { Flow, flowAnd, flowEquals } from '@heddle/packet';

/** A Geneve option as `tun_metadataN` sees it; which option that is, the bridge's TLV map says. */
export interface TunMetadataMatch {
  readonly index: number;
  readonly value: Uint8Array;
  readonly mask: Uint8Array;
  /** All of the option is compared, however long it is. */
  readonly isExact?: true;
}

export class Match {
  /** Zero where `mask` is. `inPort` is an OpenFlow port, 16 bits. */
  readonly key: Flow;
  readonly mask: Flow;
  readonly tunMetadata: readonly TunMetadataMatch[];
  /** Nobody writes to the mask, which others may have, too: what is found out of it stays true. */
  readonly isMaskFixed: boolean;

  constructor(
    key: Flow = new Flow(),
    mask: Flow = new Flow(),
    tunMetadata: readonly TunMetadataMatch[] = [],
    isMaskFixed = false,
  ) {
    this.isMaskFixed = isMaskFixed;
    this.key = key;
    this.mask = mask;
    this.tunMetadata = tunMetadata;
  }

  /** Another match in the memory of this one, which is of no use from then on. */
  recycle(tunMetadata: readonly TunMetadataMatch[] = []): Match {
    this.key.clear();
    this.mask.clear();
    return new Match(this.key, this.mask, tunMetadata);
  }

  /** Matches everything. */
  static catchAll(): Match {
    return new Match();
  }

  static exact(flow: Flow): Match {
    const mask = new Flow();
    mask.u32.fill(0xffff_ffff);
    return new Match(flow.clone(), mask);
  }

  equals(other: Match): boolean {
    return (
      flowEquals(this.key, other.key) &&
      flowEquals(this.mask, other.mask) &&
      JSON.stringify(this.tunMetadata, hex) === JSON.stringify(other.tunMetadata, hex)
    );
  }

  /** Clears what the mask leaves open. */
  normalizeKey(): void {
    flowAnd(this.key, this.mask, this.key);
  }
}

function hex(_key: string, value: unknown): unknown {
  return value instanceof Uint8Array ? Buffer.from(value).toString('hex') : value;
}
