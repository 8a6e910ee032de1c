/** Queues' counters (OpenFlow 1.0 section 5.3.5, 1.3.5 section 7.3.5.5, 1.4.0 section 7.3.5.5). */
import type { ByteWriter } from '../actions/byte-writer.ts';
import type { OfpVersion } from '../constants.ts';
import { OfpError } from '../errors.ts';
import type { QueueStats } from '../messages.ts';
import { type AnyForm, form, writeNothing } from './form.ts';
import { pullList } from './list.ts';
import { pullPort11, putPort11 } from './port-number.ts';
import type { Reader } from './reader.ts';

const request = form<'queue_request'>({
  type: 'queue_request',
  name: 'OFPST_QUEUE',
  since: 1,
  until: 6,
  wire: { ofpst: 5, reply: false },
  min: 8,
  step: 0,
  decode: (r, { version }) => ({ portNo: pullPort(r, version), queueId: r.u32() }),
  encode: (w, { version, portNo, queueId }) => {
    putPort(w, portNo, version);
    w.u32(queueId);
  },
});

/** With 16 bits of padding where the port has 16 bits. */
function pullPort(r: Reader, version: OfpVersion): number {
  if (version > 1) return pullPort11(r);
  const port = r.u16();
  r.take(2);
  return port;
}

function putPort(w: ByteWriter, port: number, version: OfpVersion): void {
  if (version > 1) putPort11(w, port);
  else {
    w.u16(port);
    w.u16(0);
  }
}

const UNKNOWN_DURATION = 0xffff_ffff;
const OFP14_LENGTH = 48;

function pullStats(r: Reader, version: OfpVersion): QueueStats {
  const start = r.off;
  let end: number | undefined;
  if (version >= 5) {
    r.take(8);
    const length = r.dv.getUint16(start);
    if (length < OFP14_LENGTH || length > r.end - start) throw new OfpError('OFPBRC_BAD_LEN');
    end = start + length;
  }
  const portNo = pullPort(r, version);
  const queueId = r.u32();
  const txBytes = r.u64();
  const txPackets = r.u64();
  const stats = { portNo, queueId, txBytes, txPackets, txErrors: r.u64() };
  if (version < 4) return stats;
  const durationSec = r.u32();
  const durationNsec = r.u32();
  // Properties are not for us.
  if (end !== undefined) r.off = end;
  return durationSec === UNKNOWN_DURATION ? stats : { ...stats, durationSec, durationNsec };
}

function putStats(w: ByteWriter, s: QueueStats, version: OfpVersion): void {
  if (version >= 5) {
    w.u16(OFP14_LENGTH);
    w.grow(6);
  }
  putPort(w, s.portNo, version);
  w.u32(s.queueId);
  w.u64(s.txBytes);
  w.u64(s.txPackets);
  w.u64(s.txErrors);
  if (version < 4) return;
  w.u32(s.durationSec ?? UNKNOWN_DURATION);
  w.u32(s.durationNsec ?? UNKNOWN_DURATION);
}

function reply(since: OfpVersion, until: OfpVersion, step: number): AnyForm {
  return form<'queue_reply'>({
    type: 'queue_reply',
    name: 'OFPST_QUEUE',
    since,
    until,
    wire: { ofpst: 5, reply: true },
    min: 0,
    step,
    decode: (r, { version }) =>
      pullList(
        r,
        (list) => pullStats(list, version),
        (queues) => ({ queues }),
      ),
    encode: writeNothing,
    entries: {
      of: ({ queues }) => queues,
      put: (w, entry: QueueStats, { version }) => putStats(w, entry, version),
    },
  });
}

export const QUEUE_STATS_FORMS: readonly AnyForm[] = [
  request,
  reply(1, 3, 32),
  reply(4, 4, 40),
  reply(5, 6, 8),
];
