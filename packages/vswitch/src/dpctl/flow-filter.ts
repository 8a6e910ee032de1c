/** `dpctl/dump-flows filter=...` (ovs-dpctl(8)): which megaflows may be for packets of a flow. */
import type { Dpif, InstalledFlow } from '@heddle/datapath';
import { OFPP_NONE } from '@heddle/openflow';
import { parseOpenFlowFlow } from '../trace/flow-parse.ts';

export class FlowFilter {
  readonly #said: ReturnType<typeof parseOpenFlowFlow>;

  /** Throws HeddleError for what is no flow. Ports are the datapath's. */
  constructor(text: string, dpif: Dpif) {
    const ports = new Map([...dpif.ports()].map(({ name, portNo }) => [name, portNo]));
    this.#said = parseOpenFlowFlow(text, (name) => ports.get(name));
  }

  /** A field that the megaflow does not look at agrees with anything. */
  refuses({ key, mask }: InstalledFlow): boolean {
    const said = this.#said;
    if (said.mask.packetType !== 0 && key.packetType !== said.flow.packetType) return true;
    if (said.ofport !== OFPP_NONE && key.inPort !== said.ofport) return true;
    for (let i = 0; i < key.u32.length; i++) {
      const differ = key.u32[i]! ^ said.flow.u32[i]!;
      if ((differ & mask.u32[i]! & said.mask.u32[i]!) !== 0) return true;
    }
    return false;
  }
}
