/** Datapaths that were made by hand (`dpctl/add-dp`), beside those that bridges have. No bridge hears of what they miss. */
import type { Dpif } from '@heddle/datapath';
import { SystemError } from '@heddle/runtime';

interface DatapathsOptions {
  readonly openDpif: (type: string, name: string) => Promise<Dpif>;
  /** The types that `openDpif` knows. */
  readonly datapathTypes: readonly string[];
}

export class Datapaths {
  readonly #options: DatapathsOptions;
  readonly #ofBridges: () => readonly Dpif[];
  #byHand: Dpif[] = [];

  constructor(options: DatapathsOptions, ofBridges: () => readonly Dpif[]) {
    this.#options = options;
    this.#ofBridges = ofBridges;
  }

  all(): readonly Dpif[] {
    return [...this.#ofBridges(), ...this.#byHand];
  }

  /**
   * Throws EAFNOSUPPORT (no such type), EEXIST, EINVAL (there is one of that name and another type)
   * and what opening it throws.
   */
  async create(type: string, name: string): Promise<Dpif> {
    const { openDpif, datapathTypes } = this.#options;
    if (!datapathTypes.includes(type)) throw new SystemError('EAFNOSUPPORT', type);
    const known = this.all().find((d) => d.name === name);
    if (known) throw new SystemError(known.type === type ? 'EEXIST' : 'EINVAL', name);
    const dpif = await openDpif(type, name);
    this.#byHand.push(dpif);
    return dpif;
  }

  async destroy(dpif: Dpif): Promise<void> {
    this.#byHand = this.#byHand.filter((d) => d !== dpif);
    await dpif.destroy();
  }

  /** Those of a type, which go when the first bridge of that type comes, as in Open vSwitch. */
  async destroyOf(type: string): Promise<void> {
    for (const dpif of this.#byHand) if (dpif.type === type) await this.destroy(dpif);
  }

  async close(): Promise<void> {
    for (const dpif of this.#byHand) await this.destroy(dpif);
  }
}
