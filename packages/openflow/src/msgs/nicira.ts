/** Nicira's settings of a connection, and flushing of a zone of connection tracking. */
import { vlog } from '@heddle/runtime';
import { OfpError } from '../errors.ts';
import type { FlowFormat, PacketInFormat } from '../messages.ts';
import { refusal } from '../refuse.ts';
import { type AnyForm, form, NX_VENDOR_ID, writeNothing } from './form.ts';
import type { Reader } from './reader.ts';

const protocolLog = vlog.module('ofp_protocol');
const packetLog = vlog.module('ofp_packet');

const nx = (subtype: number) => ({ vendor: NX_VENDOR_ID, subtype });
const FLOW_FORMATS: readonly (FlowFormat | undefined)[] = ['OpenFlow10', undefined, 'NXM'];
const PACKET_IN_FORMATS: readonly PacketInFormat[] = [
  'standard',
  'nxt_packet_in',
  'nxt_packet_in2',
];

const setFlowFormat = form<'set_flow_format'>({
  type: 'set_flow_format',
  name: 'NXT_SET_FLOW_FORMAT',
  since: 1,
  until: 1,
  wire: nx(12),
  min: 4,
  step: 0,
  decode: (r) => {
    const number = r.u32();
    const format = FLOW_FORMATS[number];
    if (format === undefined) {
      const why = `NXT_SET_FLOW_FORMAT message specified invalid flow format ${number}`;
      throw refusal(protocolLog, 'OFPBRC_EPERM', why);
    }
    return { format };
  },
  encode: (w, { format }) => w.u32(Math.max(FLOW_FORMATS.indexOf(format), 0)),
});

const flowModTableId = form<'flow_mod_table_id'>({
  type: 'flow_mod_table_id',
  name: 'NXT_FLOW_MOD_TABLE_ID',
  since: 1,
  until: 6,
  wire: nx(15),
  min: 8,
  step: 0,
  decode: (r) => ({ enabled: r.byte() !== 0 }),
  encode: (w, { enabled }) => {
    w.byte(enabled ? 1 : 0);
    w.grow(7);
  },
});

const setPacketInFormat = form<'set_packet_in_format'>({
  type: 'set_packet_in_format',
  name: 'NXT_SET_PACKET_IN_FORMAT',
  since: 1,
  until: 6,
  wire: nx(16),
  min: 4,
  step: 0,
  decode: (r) => {
    const number = r.u32();
    const format = PACKET_IN_FORMATS[number];
    if (format === undefined) {
      const why = `NXT_SET_PACKET_IN_FORMAT message specified invalid packet-in format ${number}`;
      throw refusal(packetLog, 'OFPBRC_EPERM', why);
    }
    return { format };
  },
  encode: (w, { format }) => w.u32(PACKET_IN_FORMATS.indexOf(format)),
});

const setControllerId = form<'set_controller_id'>({
  type: 'set_controller_id',
  name: 'NXT_SET_CONTROLLER_ID',
  since: 1,
  until: 6,
  wire: nx(20),
  min: 8,
  step: 0,
  decode: (r, _, { loose }) => {
    pullZeros(r, 6, loose);
    return { controllerId: r.u16() };
  },
  encode: (w, { controllerId }) => {
    w.grow(6);
    w.u16(controllerId);
  },
});

const flowAge = form<'flow_age'>({
  type: 'flow_age',
  name: 'NXT_FLOW_AGE',
  since: 1,
  until: 6,
  wire: nx(18),
  min: 0,
  step: 0,
  decode: () => ({}),
  encode: writeNothing,
});

const ctFlushZone = form<'ct_flush_zone'>({
  type: 'ct_flush_zone',
  name: 'NXT_CT_FLUSH_ZONE',
  since: 1,
  until: 6,
  wire: nx(29),
  min: 8,
  step: 0,
  decode: (r, _, { loose }) => {
    pullZeros(r, 6, loose);
    return { zone: r.u16() };
  },
  encode: (w, { zone }) => {
    w.grow(6);
    w.u16(zone);
  },
});

function pullZeros(r: Reader, n: number, loose = false): void {
  if (r.view(n).some((byte) => byte !== 0) && !loose) throw new OfpError('NXBRC_MUST_BE_ZERO');
}

export const NICIRA_FORMS: readonly AnyForm[] = [
  setFlowFormat,
  flowModTableId,
  setPacketInFormat,
  setControllerId,
  flowAge,
  ctFlushZone,
];
