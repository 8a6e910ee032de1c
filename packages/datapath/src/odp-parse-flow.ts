/** Datapath flows from the text that `ovs-dpctl` writes. */
import { ETH_P_8021AD, ETH_P_8021Q, FLOW_DL_TYPE_NONE, Flow } from '@heddle/packet';
import type { OdpAttr, StructAttr } from './odp-attrs.ts';
import { putAttr } from './odp-key.ts';
import { scanAttrs } from './odp-parse-attrs.ts';
import { OdpParseError } from './odp-parse-error.ts';
import { ScanError, Scanner } from './odp-scan.ts';

export interface OdpKeyOptions {
  /** Port numbers by name, for `in_port(veth0)`. */
  readonly portNumber?: (name: string) => number | undefined;
}

/** A key as it is written, with masks if they are allowed; throws an `OdpParseError` for what is none. */
export function parseOdpAttrs(
  text: string,
  { portNumber, isMasked = false }: OdpKeyOptions & { readonly isMasked?: boolean } = {},
): OdpAttr[] {
  const s = new Scanner(text);
  try {
    return scanAttrs(s, { isMasked, portNumber });
  } catch (error) {
    if (!(error instanceof ScanError)) throw error;
    throw new OdpParseError(`syntax error at ${s.rest}`);
  }
}

/** A flow's key and mask; members that are not named are wildcarded. */
export function parseOdpFlow(text: string, options: OdpKeyOptions = {}): { key: Flow; mask: Flow } {
  return flowOfAttrs(parseOdpAttrs(text, { ...options, isMasked: true }));
}

/** The same of attributes that were read. Of a header that the datapath's key lacks there is nothing. */
export function flowOfAttrs(attrs: readonly OdpAttr[]): { key: Flow; mask: Flow } {
  const { key, mask } = new MaskedFlow().read(attrs);
  return { key, mask };
}

class MaskedFlow {
  readonly key = new Flow();
  readonly mask = new Flow();
  #tags = 0;
  /** `none`: an `encap` without an `eth_type` holds a frame with a length. */
  #frameType: 'absent' | 'none' | 'given' = 'absent';

  /** Without a `vlan` the flow matches packets without a (further) tag, as the kernel's do. */
  read(attrs: readonly OdpAttr[]): this {
    this.#attrs(attrs);
    if (this.#frameType !== 'given') this.key.dlType = FLOW_DL_TYPE_NONE;
    if (this.#frameType === 'none') this.mask.dlType = 0xffff;
    if (this.#tags < 1) this.mask.vlanTci0 = 0xffff;
    if (this.#tags < 2) this.mask.vlanTci1 = 0xffff;
    return this;
  }

  #attrs(attrs: readonly OdpAttr[]): void {
    for (const attr of attrs) {
      switch (attr.name) {
        case 'eth_type':
          this.#ethType(attr.value, attr.mask);
          break;
        case 'vlan':
          this.#vlan(attr as StructAttr);
          break;
        case 'encap':
          if (this.#frameType === 'absent' && attr.attrs.length === 0) this.#frameType = 'none';
          this.#attrs(attr.attrs);
          break;
        case 'skb_priority':
        case 'ct_tuple4':
        case 'ct_tuple6':
          break;
        default:
          putAttr(this.key, attr);
          putAttr(this.mask, attr, 'mask');
      }
    }
  }

  #ethType(type: number, bits: number): void {
    this.key.dlType = type === 0 && bits === 0xffff ? FLOW_DL_TYPE_NONE : type;
    this.mask.dlType = bits;
    this.#frameType = 'given';
  }

  /** The `eth_type` before a `vlan` was the tag's. */
  #vlan(attr: StructAttr): void {
    const { key, mask } = this;
    const type = key.dlType;
    if (this.#tags === 2 || (type !== ETH_P_8021Q && type !== ETH_P_8021AD)) {
      throw new OdpParseError('vlan does not follow the type of a tag');
    }
    const tci = tciOf(attr.values);
    // Cut short: the frame has the type of a tag but no tag.
    if ((tci & 0x1000) === 0) return;
    const bits = tciOf(attr.masks) | 0x1000;
    if (this.#tags++ === 0) {
      [key.vlanTpid0, mask.vlanTpid0, key.vlanTci0, mask.vlanTci0] = [type, 0xffff, tci, bits];
    } else {
      [key.vlanTpid1, mask.vlanTpid1, key.vlanTci1, mask.vlanTci1] = [type, 0xffff, tci, bits];
    }
    key.dlType = 0;
    mask.dlType = 0;
    this.#frameType = 'absent';
  }
}

function tciOf(members: StructAttr['values']): number {
  const [vid, pcp, cfi] = members as readonly number[];
  return (pcp! << 13) | (cfi! << 12) | vid!;
}
