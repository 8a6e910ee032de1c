/** Descriptions of ports: `struct ofp_port` of each version (OpenFlow 1.4.0 section 7.2.1). */
import type { ByteWriter } from '../actions/byte-writer.ts';
import type { OfpVersion } from '../constants.ts';
import { OfpError } from '../errors.ts';
import type { PhyPort } from '../messages.ts';
import { pullPort11, putPort11 } from './port-number.ts';
import { type Property, pullProperty, putProperty } from './property.ts';
import type { Reader } from './reader.ts';
import { putMac, putString } from './text.ts';

/** OpenFlow 1.1 to 1.3. */
export const OFP11_PORT_LENGTH = 64;
export const OFP10_PORT_LENGTH = 48;

const NAME_LENGTH = 16;
const OFPPC10_ALL = 0x7f;
/** port_down, no_recv, no_fwd, no_packet_in. */
const OFPPC11_ALL = 0x65;
const OFPPS10_ALL = 0x301;
const OFPPS11_ALL = 7;
const OFPPF_ALL = 0xffff;
const OFPPDPT_ETHERNET = 0;

export function pullPhyPort(r: Reader, version: OfpVersion): PhyPort {
  if (version === 1) return pullPort10(r);
  if (version < 5) return pullPhyPort11(r);
  return pullPort14(r);
}

export function putPhyPort(w: ByteWriter, port: PhyPort, version: OfpVersion): void {
  if (version === 1) putPort10(w, port);
  else if (version < 5) putPhyPort11(w, port);
  else putPort14(w, port);
}

/** OpenFlow 1.0 has no 40gb, 100gb, 1tb and other: its media bits stand lower. */
export function featuresFromOfp10(wire: number): number {
  return (wire & 0x7f) | ((wire & 0xf80) << 4);
}

export function featuresToOfp10(features: number): number {
  return (features & 0x7f) | ((features >>> 4) & 0xf80);
}

const SPEEDS_MBPS = [10, 10, 100, 100, 1000, 1000, 10_000, 40_000, 100_000, 1_000_000];

/** kbit/s of the fastest that the features name. */
export function featuresSpeed(features: number): number {
  for (let bit = SPEEDS_MBPS.length - 1; bit >= 0; bit--) {
    if (features & (1 << bit)) return SPEEDS_MBPS[bit]! * 1000;
  }
  return 0;
}

export function configMask(version: OfpVersion): number {
  return version === 1 ? OFPPC10_ALL : OFPPC11_ALL;
}

function pullPort10(r: Reader): PhyPort {
  const portNo = r.u16();
  const hwAddr = r.mac();
  const name = r.string(NAME_LENGTH);
  const config = r.u32() & OFPPC10_ALL;
  const state = r.u32() & OFPPS10_ALL;
  const curr = featuresFromOfp10(r.u32());
  const advertised = featuresFromOfp10(r.u32());
  const supported = featuresFromOfp10(r.u32());
  const peer = featuresFromOfp10(r.u32());
  const currSpeed = featuresSpeed(curr);
  const maxSpeed = featuresSpeed(supported);
  return {
    ...{ portNo, hwAddr, name, config, state },
    ...{ curr, advertised, supported, peer, currSpeed, maxSpeed },
  };
}

function putPort10(w: ByteWriter, port: PhyPort): void {
  w.u16(port.portNo);
  putMac(w, port.hwAddr);
  putString(w, port.name, NAME_LENGTH);
  w.u32(port.config & OFPPC10_ALL);
  w.u32(port.state & OFPPS10_ALL);
  w.u32(featuresToOfp10(port.curr));
  w.u32(featuresToOfp10(port.advertised));
  w.u32(featuresToOfp10(port.supported));
  w.u32(featuresToOfp10(port.peer));
}

function pullPhyPort11(r: Reader): PhyPort {
  const portNo = pullPort11(r);
  r.take(4);
  const hwAddr = r.mac();
  r.take(2);
  const name = r.string(NAME_LENGTH);
  const config = r.u32() & OFPPC11_ALL;
  const state = r.u32() & OFPPS11_ALL;
  return { portNo, hwAddr, name, config, state, ...pullEthernet(r) };
}

function putPhyPort11(w: ByteWriter, port: PhyPort): void {
  putPort11(w, port.portNo);
  w.grow(4);
  putMac(w, port.hwAddr);
  w.grow(2);
  putString(w, port.name, NAME_LENGTH);
  putState11(w, port);
  putEthernet(w, port);
}

function putState11(w: ByteWriter, port: PhyPort): void {
  w.u32(port.config & OFPPC11_ALL);
  w.u32(port.state & OFPPS11_ALL);
}

type Ethernet = Pick<
  PhyPort,
  'curr' | 'advertised' | 'supported' | 'peer' | 'currSpeed' | 'maxSpeed'
>;

function pullEthernet(r: Reader): Ethernet {
  return {
    curr: r.u32() & OFPPF_ALL,
    advertised: r.u32() & OFPPF_ALL,
    supported: r.u32() & OFPPF_ALL,
    peer: r.u32() & OFPPF_ALL,
    currSpeed: r.u32(),
    maxSpeed: r.u32(),
  };
}

function putEthernet(w: ByteWriter, port: PhyPort): void {
  w.u32(port.curr & OFPPF_ALL);
  w.u32(port.advertised & OFPPF_ALL);
  w.u32(port.supported & OFPPF_ALL);
  w.u32(port.peer & OFPPF_ALL);
  w.u32(port.currSpeed);
  w.u32(port.maxSpeed);
}

const NO_ETHERNET: Ethernet = {
  ...{ curr: 0, advertised: 0, supported: 0, peer: 0, currSpeed: 0, maxSpeed: 0 },
};

function pullPort14(r: Reader): PhyPort {
  const start = r.off;
  r.need(40);
  const length = r.dv.getUint16(start + 4);
  if (length < 40 || length > r.left) throw new OfpError('OFPBRC_BAD_LEN');
  const portNo = pullPort11(r);
  r.take(4);
  const hwAddr = r.mac();
  r.take(2);
  const name = r.string(NAME_LENGTH);
  const config = r.u32() & OFPPC11_ALL;
  const state = r.u32() & OFPPS11_ALL;
  const rest = r.restOf(start, length);
  let ethernet = NO_ETHERNET;
  while (rest.left > 0) {
    const property = pullProperty(rest);
    if (property.type === OFPPDPT_ETHERNET) ethernet = pullEthernetProperty(property);
    // A vendor's or a later version's property is no reason to lose the port.
  }
  return { portNo, hwAddr, name, config, state, ...ethernet };
}

function pullEthernetProperty(property: Property): Ethernet {
  const { body } = property;
  if (body.left !== 28) throw new OfpError('OFPBPC_BAD_LEN');
  body.take(4);
  return pullEthernet(body);
}

function putPort14(w: ByteWriter, port: PhyPort): void {
  const start = w.length;
  putPort11(w, port.portNo);
  w.grow(4);
  putMac(w, port.hwAddr);
  w.grow(2);
  putString(w, port.name, NAME_LENGTH);
  putState11(w, port);
  putProperty(w, OFPPDPT_ETHERNET, () => {
    w.grow(4);
    putEthernet(w, port);
  });
  w.dv.setUint16(start + 4, w.length - start);
}
