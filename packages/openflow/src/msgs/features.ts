/** Switch features, and ports that come, go and change. */
import type { OfpVersion } from '../constants.ts';
import { OfpError } from '../errors.ts';
import type { PortMod } from '../messages.ts';
import { type AnyForm, form, writeNothing } from './form.ts';
import { empty } from './hello.ts';
import { pullList } from './list.ts';
import {
  configMask,
  featuresFromOfp10,
  featuresToOfp10,
  OFP10_PORT_LENGTH,
  OFP11_PORT_LENGTH,
  pullPhyPort,
  putPhyPort,
} from './phy-port.ts';
import { pullPort11, putPort11 } from './port-number.ts';
import { pullProperty, putProperty, unknownProperty } from './property.ts';
import type { Reader } from './reader.ts';
import { putMac } from './text.ts';

/** Flow, table, port and queue statistics, reassembly. */
const OFPC_COMMON = 0x67;
/** Bit 3 is spanning tree in OpenFlow 1.0 and group statistics since; 7 is matching of ARP. */
const OFPC_BY_VERSION = [0, 0x88, 0x88, 0x108, 0x108, 0x708, 0x708];
const OFPAT10_ALL = 0xfff;

function features(since: OfpVersion, until: OfpVersion, step: number): AnyForm {
  return form<'features_reply'>({
    type: 'features_reply',
    name: 'OFPT_FEATURES_REPLY',
    since,
    until,
    wire: { ofpt: 6 },
    min: 24,
    step,
    decode: (r, { version }) => {
      const datapathId = r.u64();
      const nBuffers = r.u32();
      const nTables = r.byte();
      const auxiliary = r.byte();
      const auxiliaryId = version >= 4 ? auxiliary : 0;
      r.take(2);
      const capabilities = r.u32() & capabilitiesOf(version);
      const supported = r.u32();
      const actions = version === 1 ? supported & OFPAT10_ALL : 0;
      const fixed = { datapathId, nBuffers, nTables, auxiliaryId, capabilities, actions };
      return pullList(
        r,
        (rest) => pullPhyPort(rest, version),
        (ports) => ({ ...fixed, ports }),
      );
    },
    encode: (w, msg) => {
      const { version } = msg;
      w.u64(msg.datapathId);
      w.u32(msg.nBuffers);
      w.byte(msg.nTables);
      w.byte(version >= 4 ? msg.auxiliaryId : 0);
      w.grow(2);
      w.u32(msg.capabilities & capabilitiesOf(version));
      w.u32(version === 1 ? msg.actions & OFPAT10_ALL : 0);
      if (version < 4) for (const port of msg.ports) putPhyPort(w, port, version);
    },
  });
}

function capabilitiesOf(version: OfpVersion): number {
  return OFPC_COMMON | OFPC_BY_VERSION[version]!;
}

function portStatus(since: OfpVersion, until: OfpVersion, port: number, step: number): AnyForm {
  return form<'port_status'>({
    type: 'port_status',
    name: 'OFPT_PORT_STATUS',
    since,
    until,
    wire: { ofpt: 12 },
    min: 8 + port,
    step,
    decode: (r, { version }) => {
      const reason = r.byte();
      if (reason > 2) throw new OfpError('NXBRC_BAD_REASON');
      r.take(7);
      return { reason, port: pullPhyPort(r, version) };
    },
    encode: (w, { version, reason, port: changed }) => {
      w.byte(reason);
      w.grow(7);
      putPhyPort(w, changed, version);
    },
  });
}

const OFPPMPT_ETHERNET = 0;

function portMod(
  since: OfpVersion,
  until: OfpVersion,
  ofpt: number,
  min: number,
  step: number,
): AnyForm {
  return form<'port_mod'>({
    type: 'port_mod',
    name: 'OFPT_PORT_MOD',
    since,
    until,
    wire: { ofpt },
    min,
    step,
    decode: (r, { version }, { loose }) => pullPortMod(r, version, loose),
    encode: (w, msg) => {
      const { version } = msg;
      if (version === 1) {
        w.u16(msg.portNo);
      } else {
        putPort11(w, msg.portNo);
        w.grow(4);
      }
      putMac(w, msg.hwAddr);
      if (version > 1) w.grow(2);
      w.u32(msg.config & configMask(version));
      w.u32(msg.mask & configMask(version));
      if (version < 5) {
        w.u32(version === 1 ? featuresToOfp10(msg.advertise) : msg.advertise);
        w.grow(4);
      } else if (msg.advertise !== 0) {
        putProperty(w, OFPPMPT_ETHERNET, () => w.u32(msg.advertise));
      }
    },
  });
}

function pullPortMod(r: Reader, version: OfpVersion, loose = false): PortMod {
  const portNo = version === 1 ? r.u16() : pullPort11(r);
  if (version > 1) r.take(4);
  const hwAddr = r.mac();
  if (version > 1) r.take(2);
  const allowed = configMask(version);
  const config = r.u32() & allowed;
  const mask = r.u32() & allowed;
  const base = { portNo, hwAddr, config: config & mask, mask };
  if (version === 1) return { ...base, advertise: featuresFromOfp10(r.u32()) };
  if (version < 5) return { ...base, advertise: r.u32() & 0xffff };
  let advertise = 0;
  while (r.left > 0) {
    const property = pullProperty(r);
    if (property.type !== OFPPMPT_ETHERNET) {
      if (loose) continue;
      throw unknownProperty(property);
    }
    if (property.body.left !== 4) throw new OfpError('OFPBPC_BAD_LEN');
    advertise = property.body.u32() & 0xffff;
  }
  return { ...base, advertise };
}

const portDescRequest = form<'port_desc_request'>({
  type: 'port_desc_request',
  name: 'OFPST_PORT_DESC',
  since: 1,
  until: 5,
  wire: { ofpst: 13, reply: false },
  min: 0,
  step: 0,
  decode: () => ({}),
  encode: writeNothing,
});

const portDescRequest15 = form<'port_desc_request'>({
  type: 'port_desc_request',
  name: 'OFPST_PORT_DESC',
  since: 6,
  until: 6,
  wire: { ofpst: 13, reply: false },
  min: 8,
  step: 0,
  decode: (r) => ({ portNo: pullPort11(r) }),
  encode: (w, { portNo }) => {
    putPort11(w, portNo ?? 0xffff);
    w.grow(4);
  },
});

function portDescReply(since: OfpVersion, until: OfpVersion, step: number): AnyForm {
  return form<'port_desc_reply'>({
    type: 'port_desc_reply',
    name: 'OFPST_PORT_DESC',
    since,
    until,
    wire: { ofpst: 13, reply: true },
    min: 0,
    step,
    decode: (r, { version }) =>
      pullList(
        r,
        (rest) => pullPhyPort(rest, version),
        (ports) => ({ ports }),
      ),
    encode: writeNothing,
    entries: {
      of: (msg) => msg.ports,
      put: (w, port, { version }) => putPhyPort(w, port, version),
    },
  });
}

export const FEATURES_FORMS: readonly AnyForm[] = [
  empty('features_request', 'OFPT_FEATURES_REQUEST', 5),
  features(1, 1, OFP10_PORT_LENGTH),
  features(2, 3, OFP11_PORT_LENGTH),
  features(4, 6, 0),
  portStatus(1, 1, OFP10_PORT_LENGTH, 0),
  portStatus(2, 4, OFP11_PORT_LENGTH, 0),
  portStatus(5, 6, 40, 8),
  portMod(1, 1, 15, 24, 0),
  portMod(2, 4, 16, 32, 0),
  portMod(5, 6, 16, 24, 8),
  portDescRequest,
  portDescRequest15,
  portDescReply(1, 1, OFP10_PORT_LENGTH),
  portDescReply(2, 4, OFP11_PORT_LENGTH),
  portDescReply(5, 6, 8),
];
