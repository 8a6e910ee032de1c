/** Queues' rates (OpenFlow 1.3.5 section 7.3.6; 1.4 makes them a multipart, section 7.3.5.15). */
import { vlog } from '@heddle/runtime';
import type { ByteWriter } from '../actions/byte-writer.ts';
import { OFPP_MAX, OFPP_NONE, type OfpVersion } from '../constants.ts';
import { OfpError } from '../errors.ts';
import { ofp11PortToOfp10 } from '../match/ofp-port.ts';
import type { QueueConfig } from '../messages.ts';
import { type AnyForm, form, writeNothing } from './form.ts';
import { pullList } from './list.ts';
import { pullPort11, putPort11 } from './port-number.ts';
import { pullProperty, putProperty } from './property.ts';
import type { Reader } from './reader.ts';

const log = vlog.module('ofp_queue');

const OFPQT_MIN_RATE = 1;
const OFPQT_MAX_RATE = 2;
const OFPQ_ALL = 0xffff_ffff;
const NO_RATE = 0xffff;

interface Rates {
  minRate?: number;
  maxRate?: number;
}

function setRate(rates: Rates, name: keyof Rates, value: number): void {
  if (value === NO_RATE) delete rates[name];
  else rates[name] = value;
}

function request(since: OfpVersion, until: OfpVersion, ofpt: number): AnyForm {
  return form<'queue_get_config_request'>({
    type: 'queue_get_config_request',
    name: 'OFPT_QUEUE_GET_CONFIG_REQUEST',
    since,
    until,
    wire: { ofpt },
    min: version10(since) ? 4 : 8,
    step: 0,
    decode: (r, { version }) => {
      const portNo = version > 1 ? pullPort11(r) : r.u16();
      const isAny = version > 1 && portNo === OFPP_NONE;
      if (portNo >= OFPP_MAX && !isAny) throw new OfpError('OFPQOFC_BAD_PORT');
      return { portNo, queueId: OFPQ_ALL };
    },
    encode: (w, { version, portNo }) => {
      if (version > 1) putPort11(w, portNo);
      else w.u16(portNo);
      w.grow(version > 1 ? 4 : 2);
    },
  });
}

const version10 = (version: OfpVersion): boolean => version === 1;

const descRequest = form<'queue_get_config_request'>({
  type: 'queue_get_config_request',
  name: 'OFPST_QUEUE_DESC',
  since: 5,
  until: 6,
  wire: { ofpst: 15, reply: false },
  min: 8,
  step: 0,
  decode: (r) => ({ portNo: pullPort11(r), queueId: r.u32() }),
  encode: (w, { portNo, queueId }) => {
    putPort11(w, portNo);
    w.u32(queueId ?? OFPQ_ALL);
  },
});

const RATES: ReadonlyMap<number, keyof Rates> = new Map([
  [OFPQT_MIN_RATE, 'minRate'],
  [OFPQT_MAX_RATE, 'maxRate'],
]);

/** Rates have 16 bytes; unknown ones are skipped. */
function pullProperties10(r: Reader, end: number, queue: Rates) {
  while (r.off < end) {
    const at = r.off;
    if (end - at < 8) throw new OfpError('OFPBRC_BAD_LEN');
    const type = r.u16();
    const length = r.u16();
    const rate = RATES.get(type);
    if (length < 8 || length > end - at || (rate !== undefined && length !== 16)) {
      throw new OfpError('OFPBRC_BAD_LEN');
    }
    if (rate === undefined) log.rl.info(`unknown queue property ${type}`);
    else setRate(queue, rate, r.dv.getUint16(at + 8));
    r.off = at + length;
  }
}

function pullQueue(r: Reader, version: OfpVersion, portNo: number): QueueConfig {
  const at = r.off;
  const queueId = r.u32();
  const queue: { portNo: number; queueId: number } & Rates = {
    portNo,
    queueId,
  };
  let fixed = 8;
  if (version >= 3) {
    // The queue's own port is not looked at.
    r.take(4);
    fixed = 16;
  }
  const length = r.u16();
  r.off = at;
  r.take(fixed);
  const end = at + length;
  if (length < fixed || end > r.end) throw new OfpError('OFPBRC_BAD_LEN');
  pullProperties10(r, end, queue);
  return queue;
}

function putRates10(w: ByteWriter, { minRate, maxRate }: QueueConfig): void {
  for (const [type, rate] of [
    [OFPQT_MIN_RATE, minRate],
    [OFPQT_MAX_RATE, maxRate],
  ] as const) {
    if (rate === undefined) continue;
    const at = w.grow(16);
    w.dv.setUint16(at, type);
    w.dv.setUint16(at + 2, 16);
    w.dv.setUint16(at + 8, rate);
  }
}

function reply(since: OfpVersion, until: OfpVersion, ofpt: number): AnyForm {
  return form<'queue_get_config_reply'>({
    type: 'queue_get_config_reply',
    name: 'OFPT_QUEUE_GET_CONFIG_REPLY',
    since,
    until,
    wire: { ofpt },
    min: 8,
    step: 8,
    decode: (r, { version }) => {
      const at = r.take(8);
      const head = r.within(at, at + 8);
      const portNo = version === 1 ? head.u16() : ofp11PortToOfp10(head.u32());
      // A port that cannot be is no matter as long as it has no queues.
      if (portNo === undefined && r.left > 0) throw new OfpError('OFPBAC_BAD_OUT_PORT');
      if (portNo === undefined) return { portNo: OFPP_NONE, queues: [] };
      return pullList(
        r,
        (list) => pullQueue(list, version, portNo),
        (queues) => ({ portNo, queues }),
      );
    },
    encode: (w, { version, portNo, queues }) => {
      const port = portNo ?? queues[0]?.portNo ?? OFPP_NONE;
      if (version === 1) w.u16(port);
      else putPort11(w, port);
      w.grow(version === 1 ? 6 : 4);
      for (const queue of queues) putQueue(w, queue, version);
    },
  });
}

function putQueue(w: ByteWriter, queue: QueueConfig, version: OfpVersion): void {
  const start = w.length;
  w.u32(queue.queueId);
  if (version >= 3) putPort11(w, queue.portNo);
  const at = w.grow(version >= 3 ? 8 : 4);
  putRates10(w, queue);
  w.dv.setUint16(at, w.length - start);
}

function pullDesc(r: Reader): QueueConfig {
  const at = r.off;
  r.take(16);
  const head = r.within(at, at + 10);
  const portNo = pullPort11(head);
  const queueId = head.u32();
  const length = head.u16();
  if (length < 16 || length % 8 !== 0 || at + length > r.end) throw new OfpError('OFPBRC_BAD_LEN');
  const queue: { portNo: number; queueId: number } & Rates = {
    portNo,
    queueId,
  };
  const properties = r.within(r.off, at + length);
  while (properties.left > 0) {
    const property = pullProperty(properties);
    if (property.type === OFPQT_MIN_RATE) setRate(queue, 'minRate', pullRate(property.body));
    else if (property.type === OFPQT_MAX_RATE) setRate(queue, 'maxRate', pullRate(property.body));
  }
  r.off = at + length;
  return queue;
}

/** 16 bits, and padding. */
function pullRate(body: Reader): number {
  return body.u16();
}

function putDesc(w: ByteWriter, queue: QueueConfig): void {
  const start = w.length;
  putPort11(w, queue.portNo);
  w.u32(queue.queueId);
  const at = w.grow(8);
  for (const [type, rate] of [
    [OFPQT_MIN_RATE, queue.minRate],
    [OFPQT_MAX_RATE, queue.maxRate],
  ] as const) {
    if (rate === undefined) continue;
    putProperty(w, type, () => {
      w.u16(rate);
      w.u16(0);
    });
  }
  w.dv.setUint16(at, w.length - start);
}

const descReply = form<'queue_get_config_reply'>({
  type: 'queue_get_config_reply',
  name: 'OFPST_QUEUE_DESC',
  since: 5,
  until: 6,
  wire: { ofpst: 15, reply: true },
  min: 0,
  step: 8,
  decode: (r) => pullList(r, pullDesc, (queues) => ({ queues })),
  encode: writeNothing,
  entries: { of: ({ queues }) => queues, put: putDesc },
});

export const QUEUE_CONFIG_FORMS: readonly AnyForm[] = [
  request(1, 1, 20),
  reply(1, 1, 21),
  request(2, 4, 22),
  reply(2, 4, 23),
  descRequest,
  descReply,
];
