/** Tables' configuration: table_mod, its description, and table_status (OpenFlow 1.4.0 section 7.3.4.3). */
import { vlog } from '@heddle/runtime';
import type { ByteWriter } from '../actions/byte-writer.ts';
import { OfpError } from '../errors.ts';
import type { TableMiss, TableMod } from '../messages.ts';
import { refusal } from '../refuse.ts';
import { type AnyForm, form, writeNothing } from './form.ts';
import { pullList } from './list.ts';
import { propertyU32, pullProperty, putProperty } from './property.ts';
import type { Reader } from './reader.ts';

const log = vlog.module('ofp_table');

const OFPTMPT14 = { eviction: 2, vacancy: 3 } as const;
const OFPTC14_EVICTION = 1 << 2;
const OFPTC14_VACANCY_EVENTS = 1 << 3;
/** OpenFlow 1.1's and 1.2's. */
export const TABLE_MISS: readonly TableMiss[] = ['controller', 'continue', 'drop', 'controller'];

/** Of OFPTC11_* or OFPTC_* bits. */
export function tableMiss(config: number): TableMiss {
  if ((config & 3) === 3) log.rl.warn(`bad table miss config ${config}`);
  return TABLE_MISS[config & 3]!;
}

const tableMod11 = form<'table_mod'>({
  type: 'table_mod',
  name: 'OFPT_TABLE_MOD',
  since: 2,
  until: 4,
  wire: { ofpt: 17 },
  min: 8,
  step: 0,
  decode: (r, { version }) => {
    const at = r.take(8);
    const tableId = r.u8[at]!;
    if (version > 3) return { tableId };
    return { tableId, miss: tableMiss(r.dv.getInt32(at + 4)) };
  },
  encode: (w, { version, tableId, miss }) => {
    const at = w.grow(8);
    w.u8[at] = tableId;
    if (version > 3 || miss === undefined || miss === 'default') return;
    w.dv.setUint32(at + 4, TABLE_MISS.indexOf(miss));
  },
});

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** `strict`: what a controller asks for must make sense. */
function pullConfig(r: Reader, tableId: number, config: number, strict: boolean): TableMod {
  const mod: Mutable<TableMod> = {
    tableId,
    eviction: (config & OFPTC14_EVICTION) !== 0,
    isVacancyOn: (config & OFPTC14_VACANCY_EVENTS) !== 0,
  };
  while (r.left > 0) {
    const property = pullProperty(r);
    if (property.type === OFPTMPT14.eviction) mod.evictionFlags = propertyU32(property);
    else if (property.type === OFPTMPT14.vacancy) {
      const { body } = property;
      if (body.left !== 4) throw new OfpError('OFPBPC_BAD_LEN');
      mod.vacancy = { down: body.byte(), up: body.byte(), current: body.byte() };
      if (strict) checkVacancy(mod.vacancy);
    } else if (strict) throw new OfpError('OFPBRC_BAD_TYPE');
  }
  return mod;
}

function checkVacancy({ up, down, current }: NonNullable<TableMod['vacancy']>): void {
  const refuse = (why: string): OfpError => refusal(log, 'OFPBPC_BAD_VALUE', why);
  if (up < down) throw refuse('Value of vacancy_down is greater than vacancy_up');
  if (up > 100 || down > 100) {
    throw refuse('Vacancy threshold percentage should not be greater than 100');
  }
  if (current !== 0) throw refuse('Vacancy value should be zero for table-mod messages');
}

function putConfig(w: ByteWriter, mod: TableMod): void {
  const { evictionFlags, vacancy } = mod;
  if (evictionFlags !== undefined) {
    putProperty(w, OFPTMPT14.eviction, () => w.u32(evictionFlags));
  }
  if (vacancy) {
    putProperty(w, OFPTMPT14.vacancy, () => {
      w.byte(vacancy.down);
      w.byte(vacancy.up);
      w.byte(vacancy.current ?? 0);
      w.byte(0);
    });
  }
}

function configBits({ eviction, isVacancyOn }: TableMod): number {
  return (eviction ? OFPTC14_EVICTION : 0) | (isVacancyOn ? OFPTC14_VACANCY_EVENTS : 0);
}

const tableMod14 = form<'table_mod'>({
  type: 'table_mod',
  name: 'OFPT_TABLE_MOD',
  since: 5,
  until: 6,
  wire: { ofpt: 17 },
  min: 8,
  step: 8,
  decode: (r) => {
    const at = r.take(8);
    return pullConfig(r, r.u8[at]!, r.dv.getUint32(at + 4), true);
  },
  encode: (w, mod) => {
    const at = w.grow(8);
    w.u8[at] = mod.tableId;
    w.dv.setUint32(at + 4, configBits(mod));
    putConfig(w, mod);
  },
});

function pullDesc(r: Reader): TableMod {
  const { left } = r;
  const refuse = (why: string): OfpError =>
    refusal(log, 'OFPBRC_BAD_LEN', `OFP14_TABLE_DESC reply ${why}`);
  if (left < 8) throw refuse(`has ${left} leftover bytes at end`);
  const at = r.take(8);
  const length = r.dv.getUint16(at);
  if (length < 8 || length > left) throw refuse(`claims invalid length ${length}`);
  const properties = r.within(r.off, at + length);
  r.off = at + length;
  return pullConfig(properties, r.u8[at + 2]!, r.dv.getUint32(at + 4), false);
}

function putDesc(w: ByteWriter, mod: TableMod): void {
  const at = w.grow(8);
  putConfig(w, mod);
  w.dv.setUint16(at, w.length - at);
  w.u8[at + 2] = mod.tableId;
  w.dv.setUint32(at + 4, configBits(mod));
}

const descRequest = form<'table_desc_request'>({
  type: 'table_desc_request',
  name: 'OFPST_TABLE_DESC',
  since: 5,
  until: 6,
  wire: { ofpst: 14, reply: false },
  min: 0,
  step: 0,
  decode: () => ({}),
  encode: writeNothing,
});

const descReply = form<'table_desc_reply'>({
  type: 'table_desc_reply',
  name: 'OFPST_TABLE_DESC',
  since: 5,
  until: 6,
  wire: { ofpst: 14, reply: true },
  min: 8,
  step: 8,
  decode: (r) => pullList(r, pullDesc, (tables) => ({ tables })),
  encode: writeNothing,
  entries: { of: ({ tables }) => tables, put: putDesc },
});

const OFPTR_VACANCY_DOWN = 3;
const OFPTR_VACANCY_UP = 4;

const tableStatus = form<'table_status'>({
  type: 'table_status',
  name: 'OFPT_TABLE_STATUS',
  since: 5,
  until: 6,
  wire: { ofpt: 31 },
  min: 8,
  step: 8,
  decode: (r) => {
    const at = r.take(8);
    const reason = r.u8[at]!;
    if (reason !== OFPTR_VACANCY_DOWN && reason !== OFPTR_VACANCY_UP) {
      throw new OfpError('OFPBPC_BAD_VALUE');
    }
    // Upstream has no error for a description that is not there.
    if (r.left === 0) throw new OfpError('<invalid>');
    return { reason, table: pullDesc(r) };
  },
  encode: (w, { reason, table }) => {
    const at = w.grow(8);
    w.u8[at] = reason;
    putDesc(w, table);
  },
});

export const TABLE_MOD_FORMS: readonly AnyForm[] = [
  tableMod11,
  tableMod14,
  descRequest,
  descReply,
  tableStatus,
];
