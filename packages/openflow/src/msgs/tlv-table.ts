/** Which Geneve option is which `tun_metadata` field (ovs-ofctl(8), "TLV Table"). */
import type { TlvMapping } from '@heddle/packet';
import { vlog } from '@heddle/runtime';
import type { ByteWriter } from '../actions/byte-writer.ts';
import { OfpError } from '../errors.ts';
import { type AnyForm, form, NX_VENDOR_ID, writeNothing } from './form.ts';
import type { Reader } from './reader.ts';

const log = vlog.module('ofp_match');

const COMMANDS = ['add', 'delete', 'clear'] as const;
const MAX_OPTION_LENGTH = 124;
const N_FIELDS = 64;

function pullMappings(r: Reader, nFields = N_FIELDS): TlvMapping[] {
  const mappings: TlvMapping[] = [];
  while (r.left > 0) {
    const at = r.take(8);
    const optionLen = r.u8[at + 3]!;
    const index = r.dv.getUint16(at + 4);
    if (optionLen % 4 !== 0 || optionLen > MAX_OPTION_LENGTH) {
      log.rl.warn(`tlv table option length (${optionLen}) is not a valid option size`);
      throw new OfpError('NXTTMFC_BAD_OPT_LEN');
    }
    if (index >= nFields) {
      log.rl.warn(`tlv table field index (${index}) is too large (max ${nFields - 1})`);
      throw new OfpError('NXTTMFC_BAD_FIELD_IDX');
    }
    mappings.push({ optionClass: r.dv.getUint16(at), optionType: r.u8[at + 2]!, optionLen, index });
  }
  return mappings;
}

function putMappings(w: ByteWriter, mappings: readonly TlvMapping[]): void {
  for (const { optionClass, optionType, optionLen, index } of mappings) {
    w.u16(optionClass);
    w.byte(optionType);
    w.byte(optionLen);
    w.u16(index);
    w.u16(0);
  }
}

const tableMod = form<'tlv_table_mod'>({
  type: 'tlv_table_mod',
  name: 'NXT_TLV_TABLE_MOD',
  since: 1,
  until: 6,
  wire: { vendor: NX_VENDOR_ID, subtype: 24 },
  min: 8,
  step: 8,
  decode: (r) => {
    const at = r.take(8);
    const number = r.dv.getUint16(at);
    const command = COMMANDS[number];
    if (command === undefined) {
      log.rl.warn(`tlv table mod command (${number}) is out of range`);
      throw new OfpError('NXTTMFC_BAD_COMMAND');
    }
    return { command, mappings: pullMappings(r) };
  },
  encode: (w, { command, mappings }) => {
    const at = w.grow(8);
    w.dv.setUint16(at, COMMANDS.indexOf(command));
    putMappings(w, mappings);
  },
});

const tableRequest = form<'tlv_table_request'>({
  type: 'tlv_table_request',
  name: 'NXT_TLV_TABLE_REQUEST',
  since: 1,
  until: 6,
  wire: { vendor: NX_VENDOR_ID, subtype: 25 },
  min: 0,
  step: 0,
  decode: () => ({}),
  encode: writeNothing,
});

const tableReply = form<'tlv_table_reply'>({
  type: 'tlv_table_reply',
  name: 'NXT_TLV_TABLE_REPLY',
  since: 1,
  until: 6,
  wire: { vendor: NX_VENDOR_ID, subtype: 26 },
  min: 16,
  step: 8,
  decode: (r) => {
    const at = r.take(16);
    const maxOptionSpace = r.dv.getUint32(at);
    const maxFields = r.dv.getUint16(at + 4);
    return { maxOptionSpace, maxFields, mappings: pullMappings(r, maxFields) };
  },
  encode: (w, { maxOptionSpace, maxFields, mappings }) => {
    const at = w.grow(16);
    w.dv.setUint32(at, maxOptionSpace);
    w.dv.setUint16(at + 4, maxFields);
    putMappings(w, mappings);
  },
});

export const TLV_TABLE_FORMS: readonly AnyForm[] = [tableMod, tableRequest, tableReply];
