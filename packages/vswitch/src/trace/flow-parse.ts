/** An exact flow in OpenFlow's words, as ofproto/trace takes it (ovs-vswitchd(8), "br_flow"). */

import { OFPP_NONE } from '@heddle/openflow';
import { KeyValueScanner } from '@heddle/openflow/actions/text-scan';
import { Flow, TlvTable } from '@heddle/packet';
import { HeddleError } from '@heddle/runtime';
import { readQuickly } from './flow-quick.ts';
import { FlowWords } from './flow-words.ts';

export interface ParsedFlow {
  readonly flow: Flow;
  /** Bits that the text says, but of the port. */
  readonly mask: Flow;
  /** OFPP_NONE where none is said. */
  readonly ofport: number;
}

/**
 * `ofportOf` knows ports' names, `tlv` what `tun_metadata` fields are. The result is written to
 * `memory`, whatever that held. Throws HeddleError.
 */
export function parseOpenFlowFlow(
  text: string,
  ofportOf: (name: string) => number | undefined,
  tlv: TlvTable = TlvTable.EMPTY,
  memory?: Pick<ParsedFlow, 'flow' | 'mask'>,
): ParsedFlow {
  const flow = memory?.flow ?? new Flow();
  const mask = memory?.mask ?? new Flow();
  if (memory !== undefined) {
    flow.clear();
    mask.clear();
  }
  flow.tlv = tlv;
  const words = new FlowWords(flow, mask, ofportOf);
  const scan = new KeyValueScanner(text);
  try {
    while (scan.next()) {
      if (!readQuickly(words, scan.key, scan.value)) words.word(scan.key, scan.value);
    }
  } catch (error) {
    if (!(error instanceof HeddleError)) throw error;
    throw new HeddleError(`${text}: ${error.message}`);
  }
  return { flow, mask, ofport: words.ofport === 0 ? OFPP_NONE : words.ofport };
}
