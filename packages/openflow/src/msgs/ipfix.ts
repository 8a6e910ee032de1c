/** IPFIX exporters' counters (ovs-ofctl(8), `dump-ipfix-bridge` and `dump-ipfix-flow`). */

import type { ByteWriter } from '../actions/byte-writer.ts';
import type { IpfixStats } from '../messages.ts';
import { type AnyForm, form, NX_VENDOR_ID, writeNothing } from './form.ts';
import { pullList } from './list.ts';
import type { Reader } from './reader.ts';

const N_COUNTERS = 10;
const ENTRY_LENGTH = 88;

type Request = 'ipfix_bridge_request' | 'ipfix_flow_request';
type Reply = 'ipfix_bridge_reply' | 'ipfix_flow_reply';

function pullStats(r: Reader): IpfixStats {
  const counters = Array.from({ length: N_COUNTERS }, () => r.u64());
  const collectorSetId = r.u32();
  r.take(4);
  return { collectorSetId, counters };
}

function putStats(w: ByteWriter, { counters, collectorSetId }: IpfixStats): void {
  for (let i = 0; i < N_COUNTERS; i++) w.u64(counters[i] ?? 0n);
  w.u32(collectorSetId ?? 0);
  w.u32(0);
}

function request(type: Request, name: string, subtype: number): AnyForm {
  return form<Request>({
    type,
    name,
    since: 1,
    until: 6,
    wire: { ofpstVendor: NX_VENDOR_ID, subtype, reply: false },
    min: 0,
    step: 0,
    decode: () => ({}),
    encode: writeNothing,
  });
}

function reply(type: Reply, name: string, subtype: number, min: number, step: number): AnyForm {
  return form<Reply>({
    type,
    name,
    since: 1,
    until: 6,
    wire: { ofpstVendor: NX_VENDOR_ID, subtype, reply: true },
    min,
    step,
    decode: (r) => pullList(r, pullStats, (stats) => ({ stats })),
    encode: writeNothing,
    entries: { of: ({ stats }) => stats, put: putStats },
  });
}

export const IPFIX_FORMS: readonly AnyForm[] = [
  request('ipfix_bridge_request', 'NXST_IPFIX_BRIDGE', 3),
  reply('ipfix_bridge_reply', 'NXST_IPFIX_BRIDGE', 3, ENTRY_LENGTH, 0),
  request('ipfix_flow_request', 'NXST_IPFIX_FLOW', 4),
  reply('ipfix_flow_reply', 'NXST_IPFIX_FLOW', 4, 0, ENTRY_LENGTH),
];
