/** Which asynchronous messages a controller gets (OpenFlow 1.3.5 section 7.3.10, 1.4.0 7.3.10). */
import { vlog } from '@heddle/runtime';
import type { OfpVersion } from '../constants.ts';
import { OfpError } from '../errors.ts';
import { hexOr0 } from '../match/value-text.ts';
import type { AsyncConfig } from '../messages.ts';
import { refusal } from '../refuse.ts';
import { type AnyForm, form, NX_VENDOR_ID } from './form.ts';
import { empty } from './hello.ts';
import { pullProperty, unknownProperty } from './property.ts';
import type { Reader } from './reader.ts';

const log = vlog.module('ofp_connection');

type Kind = keyof AsyncConfig;

/** In the order of OFPACPT_*: a property for secondaries and one for primaries of each. */
const KINDS: readonly Kind[] = [
  'packetIn',
  'portStatus',
  'flowRemoved',
  'roleStatus',
  'tableStatus',
  'requestForward',
];
/** Bits that OpenFlow 1.3 and before have words for. */
const OLD_KINDS: readonly (readonly [kind: Kind, legal: number])[] = [
  ['packetIn', 0x07],
  ['portStatus', 0x07],
  ['flowRemoved', 0x3f],
];
/** Bits that properties may have. */
const LEGAL: Readonly<Record<Kind, number>> = {
  packetIn: 0x3f,
  portStatus: 0x07,
  flowRemoved: 0x3f,
  roleStatus: 0x07,
  tableStatus: 0x18,
  requestForward: 0x03,
};
const NAMES: Readonly<Record<Kind, string>> = {
  packetIn: 'PACKET_IN',
  portStatus: 'PORT_STATUS',
  flowRemoved: 'FLOW_REMOVED',
  roleStatus: 'ROLE_STATUS',
  tableStatus: 'TABLE_STATUS',
  requestForward: 'REQUESTFORWARD',
};
/** Of versions before OpenFlow 1.4. */
const OLD_PACKET_IN = 0x07;
const FIRST_EXPERIMENTER = 0xfffe;

type Masks = Record<Kind, [primary: number, secondary: number]>;

function none(): Masks {
  return {
    packetIn: [0, 0],
    portStatus: [0, 0],
    flowRemoved: [0, 0],
    roleStatus: [0, 0],
    tableStatus: [0, 0],
    requestForward: [0, 0],
  };
}

function pullWords(r: Reader, version: OfpVersion): { config: AsyncConfig } {
  const config = none();
  for (const [kind, old] of OLD_KINDS) {
    const legal = version >= 5 ? LEGAL[kind] : old;
    config[kind] = [r.u32() & legal, r.u32() & legal];
  }
  return { config };
}

/** `loose`: a reply may tell of more than is known. */
function pullProperties(
  r: Reader,
  version: OfpVersion,
  loose: boolean,
): { config: AsyncConfig; given: number } {
  const config = none();
  let given = 0;
  while (r.left > 0) {
    const property = pullProperty(r, FIRST_EXPERIMENTER);
    const kind = KINDS[property.type >> 1];
    if (kind === undefined) {
      if (loose) continue;
      if (property.vendor !== undefined) throw unknownProperty(property, log, 'async config');
      const why = `unknown async config property type ${property.type}`;
      throw refusal(log, 'OFPACFC_UNSUPPORTED', why);
    }
    if (property.body.left !== 4) throw new OfpError('OFPBPC_BAD_LEN');
    const mask = property.body.u32();
    const legal = version < 5 && kind === 'packetIn' ? OLD_PACKET_IN : LEGAL[kind];
    if (!loose && (mask & ~legal) !== 0) {
      const why = `bad value ${hexOr0(mask)} for ${NAMES[kind]} (allowed mask ${hexOr0(legal)})`;
      throw refusal(log, 'OFPACFC_INVALID', why);
    }
    config[kind][property.type & 1 ? 0 : 1] = mask & legal;
    given |= 1 << property.type;
  }
  return { config, given };
}

type Old = 'set_async' | 'get_async_reply';

function words(type: Old, name: string, wire: AnyForm['wire'], isNx: boolean): AnyForm {
  return form<Old>({
    type,
    name,
    since: isNx ? 1 : 4,
    until: isNx ? 6 : 4,
    wire,
    min: 24,
    step: 0,
    fits: ({ given }) => given === undefined,
    decode: (r, { version }) => pullWords(r, version),
    encode: (w, { config }) => {
      for (const [kind] of OLD_KINDS) for (const mask of config[kind]) w.u32(mask);
    },
  });
}

function properties(type: Old, name: string, wire: AnyForm['wire'], isNx: boolean): AnyForm {
  return form<Old>({
    type,
    name,
    since: isNx ? 1 : 5,
    until: isNx ? 4 : 6,
    wire,
    min: 0,
    step: 8,
    decode: (r, { version }) => pullProperties(r, version, type === 'get_async_reply'),
    encode: (w, { config, given = 0xfff }) => {
      for (const [i, kind] of KINDS.entries()) {
        for (const isPrimary of [0, 1]) {
          const number = 2 * i + isPrimary;
          if ((given & (1 << number)) === 0) continue;
          w.u16(number);
          w.u16(8);
          w.u32(config[kind][isPrimary ? 0 : 1]);
        }
      }
    },
  });
}

export const ASYNC_FORMS: readonly AnyForm[] = [
  empty('get_async_request', 'OFPT_GET_ASYNC_REQUEST', 26, 4, 6),
  words('get_async_reply', 'OFPT_GET_ASYNC_REPLY', { ofpt: 27 }, false),
  words('set_async', 'OFPT_SET_ASYNC', { ofpt: 28 }, false),
  properties('get_async_reply', 'OFPT_GET_ASYNC_REPLY', { ofpt: 27 }, false),
  properties('set_async', 'OFPT_SET_ASYNC', { ofpt: 28 }, false),
  words('set_async', 'NXT_SET_ASYNC_CONFIG', { vendor: NX_VENDOR_ID, subtype: 19 }, true),
  properties('set_async', 'NXT_SET_ASYNC_CONFIG2', { vendor: NX_VENDOR_ID, subtype: 27 }, true),
];
