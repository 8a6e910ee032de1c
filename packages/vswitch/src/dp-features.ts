/** What a datapath can do, under the names of upstream's probes (`dpif/show-dp-features`). */
import type { Dpif, HashAlgorithm, OdpAction } from '@heddle/datapath';
import type { ActionTypes } from './slow-path.ts';

type Value = boolean | number;

interface Feature {
  readonly key: string;
  readonly title: string;
  readonly boot: Value;
  value: Value;
  /** What the engine is not asked for when the feature is turned off. */
  readonly actions: readonly OdpAction['type'][];
}

const MAX_SAMPLE_NESTING = 10;
const MAX_MPLS_LABELS = 3;

export class DpFeatures {
  readonly #all: ActionTypes;
  readonly #features: readonly Feature[];

  constructor(dpif: Dpif) {
    this.#all = dpif.actions;
    const has = (type: OdpAction['type']): boolean => dpif.actions.has(type);
    const feature = (
      key: string,
      title: string,
      value: Value,
      ...actions: OdpAction['type'][]
    ): Feature => ({ key, title, boot: value, value, actions });
    const ct = has('ct');
    this.#features = [
      feature('masked_set_action', 'Masked set action', true),
      feature('tnl_push_pop', 'Tunnel push pop', has('tnl_push'), 'tnl_push', 'tnl_pop'),
      feature('ufid', 'Ufid', true),
      feature('trunc', 'Truncate action', has('trunc'), 'trunc'),
      feature('clone', 'Clone action', has('clone'), 'clone'),
      feature('sample_nesting', 'Sample nesting', has('sample') ? MAX_SAMPLE_NESTING : 0, 'sample'),
      feature('ct_eventmask', 'Conntrack eventmask', ct),
      feature('ct_clear', 'Conntrack clear', has('ct_clear'), 'ct_clear'),
      feature('max_hash_alg', 'Max dp_hash algorithm', has('hash') ? 1 : 0),
      feature('check_pkt_len', 'Check pkt length action', has('check_pkt_len'), 'check_pkt_len'),
      feature('ct_timeout', 'Conntrack timeout policy', ct),
      feature('explicit_drop_action', 'Explicit Drop action', has('drop')),
      feature('lb_output_action', 'Optimized Balance TCP mode', false),
      feature('ct_zero_snat', 'Conntrack all-zero IP SNAT', ct),
      feature('add_mpls', 'MPLS Label add', has('add_mpls'), 'add_mpls'),
      feature('max_vlan_headers', 'Max VLAN headers', 2),
      feature('max_mpls_depth', 'Max MPLS depth', has('push_mpls') ? MAX_MPLS_LABELS : 0),
      feature('recirc', 'Recirc', true),
      feature('ct_state', 'CT state', ct),
      feature('ct_zone', 'CT zone', ct),
      feature('ct_mark', 'CT mark', ct),
      feature('ct_label', 'CT label', ct),
      feature('ct_state_nat', 'CT state NAT', ct),
      feature('ct_orig_tuple', 'CT orig tuple', ct),
      feature('ct_orig_tuple6', 'CT orig tuple for IPv6', ct),
      feature('nd_ext', 'IPv6 ND Extension', false),
    ];
  }

  /** What the engine may be asked for as things are. */
  get actions(): ActionTypes {
    const off = this.#features.filter(({ value }) => !value).flatMap((f) => f.actions);
    return new Set([...this.#all].filter((type) => !off.includes(type)));
  }

  /** As in the column Datapath.capabilities. */
  capabilities(): ReadonlyMap<string, string> {
    const each = this.#features.map(({ key, value }) => [key, String(value)] as const);
    return new Map([...each, ['ct_flush', String(this.#all.has('ct'))]]);
  }

  isOn(key: string): boolean {
    return this.#features.some((f) => f.key === key && f.value !== false);
  }

  /** The best that packets can be hashed by (OVS_HASH_ALG_* of linux/openvswitch.h). */
  get hashAlgorithm(): HashAlgorithm | undefined {
    if (!this.#all.has('hash')) return undefined;
    return this.#features.some((f) => f.key === 'max_hash_alg' && f.value === 0) ? 'l4' : 'sym_l4';
  }

  show(): string {
    const text = (value: Value): string =>
      typeof value === 'number' ? String(value) : value ? 'Yes' : 'No';
    return this.#features.map((f) => `${f.title}: ${text(f.value)}\n`).join('');
  }

  /** `key` alone: only that one. */
  states(key?: string): string {
    const text = this.#features
      .filter((f) => key === undefined || f.key === key)
      .map((f) => `${f.key} (${f.title}) : [run time]:${f.value}, [boot time]:${f.boot}\n`)
      .join('');
    return text === '' ? UNKNOWN : text;
  }

  /** Turns a feature off or on again; returns why not. */
  set(key: string, text: string): string {
    const feature = this.#features.find((f) => f.key === key);
    if (!feature) return UNKNOWN;
    const isNumber = typeof feature.boot === 'number';
    if (isNumber && !/^\d+$/.test(text)) return 'Integer number expected\n';
    if (!isNumber && text !== 'true' && text !== 'false') return 'Boolean value expected\n';
    const value = isNumber ? Number(text) : text === 'true';
    if (value > feature.boot) return 'Can not set value beyond the datapath capability\n';
    feature.value = value;
    return '';
  }
}

const UNKNOWN = 'Unexpected support field\n';
