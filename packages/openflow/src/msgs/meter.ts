/** Meters: changes, configuration, counters and features (OpenFlow 1.3.5 sections 7.3.4.4, 7.3.5.10 on). */
import { vlog } from '@heddle/runtime';
import type { ByteWriter } from '../actions/byte-writer.ts';
import { OfpError } from '../errors.ts';
import type { MeterBand, MeterConfig, MeterMod, MeterStats } from '../messages.ts';
import { refusal } from '../refuse.ts';
import { type AnyForm, form, writeNothing } from './form.ts';
import { pullList } from './list.ts';
import type { Reader } from './reader.ts';

const log = vlog.module('ofp_meter');

const OFPMF13_KBPS = 1;
const OFPMF13_PKTPS = 2;
const BANDS: readonly (MeterBand['type'] | undefined)[] = [undefined, 'drop', 'dscp_remark'];
const COMMANDS: readonly MeterMod['command'][] = ['add', 'modify', 'delete'];
const BAND_LENGTH = 16;

function pullBands(r: Reader): MeterBand[] {
  const bands: MeterBand[] = [];
  while (r.left > 0) {
    if (r.left < 12) throw new OfpError('OFPBRC_BAD_LEN');
    const at = r.off;
    const type = BANDS[r.dv.getUint16(at)];
    const length = r.dv.getUint16(at + 2);
    if (length !== BAND_LENGTH) throw new OfpError('OFPBRC_BAD_LEN');
    if (type === undefined) throw new OfpError('OFPMMFC_BAD_BAND');
    r.take(BAND_LENGTH);
    bands.push({
      type,
      rate: r.dv.getUint32(at + 4),
      burstSize: r.dv.getUint32(at + 8),
      precLevel: type === 'dscp_remark' ? r.u8[at + 12]! : 0,
    });
  }
  return bands;
}

function putBands(w: ByteWriter, bands: readonly MeterBand[]): void {
  for (const band of bands) {
    const at = w.grow(BAND_LENGTH);
    w.dv.setUint16(at, BANDS.indexOf(band.type));
    w.dv.setUint16(at + 2, BAND_LENGTH);
    w.dv.setUint32(at + 4, band.rate);
    w.dv.setUint32(at + 8, band.burstSize);
    if (band.type === 'dscp_remark') w.u8[at + 12] = band.precLevel;
  }
}

const meterMod = form<'meter_mod'>({
  type: 'meter_mod',
  name: 'OFPT_METER_MOD',
  since: 4,
  until: 6,
  wire: { ofpt: 29 },
  min: 8,
  step: 8,
  decode: (r) => {
    const number = r.u16();
    const flags = r.u16();
    const meterId = r.u32();
    const command = COMMANDS[number];
    if (command === undefined) throw new OfpError('OFPMMFC_BAD_COMMAND');
    // What the meter to be deleted was like is nobody's business.
    if (command === 'delete') return { command, meterId, flags: 0, bands: [] };
    if ((flags & OFPMF13_KBPS) !== 0 && (flags & OFPMF13_PKTPS) !== 0) {
      throw new OfpError('OFPMMFC_BAD_FLAGS');
    }
    return { command, meterId, flags, bands: pullBands(r) };
  },
  encode: (w, { command, flags, meterId, bands }) => {
    w.u16(COMMANDS.indexOf(command));
    w.u16(flags);
    w.u32(meterId);
    putBands(w, bands);
  },
});

type Request = 'meter_request' | 'meter_config_request';

function request(type: Request, name: string, ofpst: number): AnyForm {
  return form<Request>({
    type,
    name,
    since: 4,
    until: 6,
    wire: { ofpst, reply: false },
    min: 8,
    step: 0,
    decode: (r) => {
      const at = r.take(8);
      return { meterId: r.dv.getUint32(at) };
    },
    encode: (w, { meterId }) => {
      w.u32(meterId);
      w.u32(0);
    },
  });
}

function pullConfig(r: Reader): MeterConfig {
  const at = r.take(8);
  const end = at + r.dv.getUint16(at);
  if (end < r.off || end > r.end) throw new OfpError('OFPBRC_BAD_LEN');
  const bands = pullBands(r.within(r.off, end));
  r.off = end;
  return { meterId: r.dv.getUint32(at + 4), flags: r.dv.getUint16(at + 2), bands };
}

const configReply = form<'meter_config_reply'>({
  type: 'meter_config_reply',
  name: 'OFPST_METER_CONFIG',
  since: 4,
  until: 6,
  wire: { ofpst: 10, reply: true },
  min: 0,
  step: 8,
  decode: (r) => pullList(r, pullConfig, (meters) => ({ meters })),
  encode: writeNothing,
  entries: {
    of: ({ meters }) => meters,
    put: (w, { meterId, flags, bands }: MeterConfig) => {
      w.u16(8 + BAND_LENGTH * bands.length);
      w.u16(flags);
      w.u32(meterId);
      putBands(w, bands);
    },
  },
});

const STATS_LENGTH = 40;

function pullStats(r: Reader): MeterStats {
  const { left } = r;
  const leftover = (): OfpError =>
    refusal(log, 'OFPBRC_BAD_LEN', `OFPMP_METER reply has ${left} leftover bytes at end`);
  if (left < STATS_LENGTH) throw leftover();
  const at = r.take(STATS_LENGTH);
  const { dv } = r;
  const length = dv.getUint16(at + 4);
  const nBands = (length - STATS_LENGTH) / 16;
  if (length < STATS_LENGTH || !Number.isInteger(nBands)) throw new OfpError('OFPBRC_BAD_LEN');
  if (length > left) throw leftover();
  const bands = [];
  for (let i = 0, band = r.take(nBands * 16); i < nBands; i++, band += 16) {
    bands.push({ packetCount: dv.getBigUint64(band), byteCount: dv.getBigUint64(band + 8) });
  }
  return {
    meterId: dv.getUint32(at),
    flowCount: dv.getUint32(at + 12),
    packetInCount: dv.getBigUint64(at + 16),
    byteInCount: dv.getBigUint64(at + 24),
    durationSec: dv.getUint32(at + 32),
    durationNsec: dv.getUint32(at + 36),
    bands,
  };
}

function putStats(w: ByteWriter, s: MeterStats): void {
  const at = w.grow(STATS_LENGTH);
  const { dv } = w;
  dv.setUint32(at, s.meterId);
  dv.setUint16(at + 4, STATS_LENGTH + 16 * s.bands.length);
  dv.setUint32(at + 12, s.flowCount);
  dv.setBigUint64(at + 16, s.packetInCount);
  dv.setBigUint64(at + 24, s.byteInCount);
  dv.setUint32(at + 32, s.durationSec);
  dv.setUint32(at + 36, s.durationNsec);
  for (const band of s.bands) {
    w.u64(band.packetCount);
    w.u64(band.byteCount);
  }
}

const statsReply = form<'meter_reply'>({
  type: 'meter_reply',
  name: 'OFPST_METER',
  since: 4,
  until: 6,
  wire: { ofpst: 9, reply: true },
  min: 0,
  step: 8,
  decode: (r) => pullList(r, pullStats, (meters) => ({ meters })),
  encode: writeNothing,
  entries: { of: ({ meters }) => meters, put: putStats },
});

const featuresRequest = form<'meter_features_request'>({
  type: 'meter_features_request',
  name: 'OFPST_METER_FEATURES',
  since: 4,
  until: 6,
  wire: { ofpst: 11, reply: false },
  min: 0,
  step: 0,
  decode: () => ({}),
  encode: writeNothing,
});

const featuresReply = form<'meter_features_reply'>({
  type: 'meter_features_reply',
  name: 'OFPST_METER_FEATURES',
  since: 4,
  until: 6,
  wire: { ofpst: 11, reply: true },
  min: 16,
  step: 0,
  decode: (r) => ({
    maxMeters: r.u32(),
    bandTypes: r.u32(),
    capabilities: r.u32(),
    maxBands: r.byte(),
    maxColor: r.byte(),
  }),
  encode: (w, f) => {
    w.u32(f.maxMeters);
    w.u32(f.bandTypes);
    w.u32(f.capabilities);
    w.byte(f.maxBands);
    w.byte(f.maxColor);
    w.u16(0);
  },
});

export const METER_FORMS: readonly AnyForm[] = [
  meterMod,
  request('meter_request', 'OFPST_METER', 9),
  statsReply,
  request('meter_config_request', 'OFPST_METER_CONFIG', 10),
  configReply,
  featuresRequest,
  featuresReply,
];
