/** Port statistics (OpenFlow 1.4.0 section 7.3.5.6). */
import type { ByteWriter } from '../actions/byte-writer.ts';
import type { OfpVersion } from '../constants.ts';
import { OfpError } from '../errors.ts';
import { type PortStats, UNKNOWN_COUNT } from '../messages.ts';
import { type AnyForm, form, writeNothing } from './form.ts';
import { pullList } from './list.ts';
import { pullPort11, putPort11 } from './port-number.ts';
import { type Property, pullProperty, putProperty } from './property.ts';
import type { Reader } from './reader.ts';

const OFPPSPT_ETHERNET = 0;
const OFPPSPT_EXPERIMENTER = 0xffff;
const INTEL_VENDOR_ID = 0x0000_aa01;
const INTEL_PORT_STATS_RFC2819 = 1;
const INTEL_PORT_STATS_CUSTOM = 2;
const UNKNOWN_32 = 0xffff_ffff;
const RFC2819_COUNTERS = 21;

/** In the order of the wire: the first eight everywhere, the rest for Ethernet. */
const COUNTERS = [
  'rxPackets',
  'txPackets',
  'rxBytes',
  'txBytes',
  'rxDropped',
  'txDropped',
  'rxErrors',
  'txErrors',
] as const;
const ETHERNET_COUNTERS = ['rxFrameErr', 'rxOverErr', 'rxCrcErr', 'collisions'] as const;

type Counter = (typeof COUNTERS)[number];
type EthernetCounter = (typeof ETHERNET_COUNTERS)[number];

function pullCounters<K extends string>(r: Reader, names: readonly K[]): Record<K, bigint> {
  const found: Partial<Record<K, bigint>> = {};
  for (const name of names) found[name] = r.u64();
  return found as Record<K, bigint>;
}

function putCounters<K extends Counter | EthernetCounter>(
  w: ByteWriter,
  names: readonly K[],
  stats: PortStats,
): void {
  for (const name of names) w.u64(stats[name]);
}

function pullPortStats(r: Reader, version: OfpVersion): PortStats {
  if (version >= 5) return pullPortStats14(r);
  const portNo = version === 1 ? r.u16() : pullPort11(r);
  r.take(version === 1 ? 6 : 4);
  const stats = {
    portNo,
    ...pullCounters(r, COUNTERS),
    ...pullCounters(r, ETHERNET_COUNTERS),
  };
  return version === 4 ? { ...stats, durationSec: r.u32(), durationNsec: r.u32() } : stats;
}

function pullPortStats14(r: Reader): PortStats {
  const start = r.off;
  r.need(80);
  const length = r.u16();
  if (length < 80 || start + length > r.end) throw new OfpError('OFPBRC_BAD_LEN');
  r.take(2);
  const portNo = pullPort11(r);
  const durationSec = r.u32();
  const durationNsec = r.u32();
  const counters = pullCounters(r, COUNTERS);
  const rest = r.restOf(start, length);
  let stats: PortStats = {
    portNo,
    durationSec,
    durationNsec,
    ...counters,
    ...{ rxFrameErr: UNKNOWN_COUNT, rxOverErr: UNKNOWN_COUNT },
    ...{ rxCrcErr: UNKNOWN_COUNT, collisions: UNKNOWN_COUNT },
  };
  while (rest.left > 0) stats = { ...stats, ...pullPortProperty(pullProperty(rest)) };
  return stats;
}

/** A vendor's property that is unknown is no reason to lose the port. */
function pullPortProperty({ type, vendor, subtype, body }: Property): Partial<PortStats> {
  if (type === OFPPSPT_ETHERNET) {
    body.whole(36).take(4);
    return pullCounters(body, ETHERNET_COUNTERS);
  }
  if (vendor !== INTEL_VENDOR_ID) return {};
  body.take(8);
  if (subtype === INTEL_PORT_STATS_RFC2819) {
    body.whole(4 + 8 * RFC2819_COUNTERS).take(4);
    return { rfc2819: Array.from({ length: RFC2819_COUNTERS }, () => body.u64()) };
  }
  return subtype === INTEL_PORT_STATS_CUSTOM ? { custom: pullCustom(body) } : {};
}

function pullCustom(body: Reader): [name: string, value: bigint][] {
  body.take(2);
  return Array.from({ length: body.u16() }, () => {
    const size = body.byte();
    const name = body.string(size);
    return [name, body.u64()];
  });
}

function putPortStats(w: ByteWriter, stats: PortStats, version: OfpVersion): void {
  if (version >= 5) {
    putPortStats14(w, stats);
    return;
  }
  if (version === 1) w.u16(stats.portNo);
  else putPort11(w, stats.portNo);
  w.grow(version === 1 ? 6 : 4);
  putCounters(w, COUNTERS, stats);
  putCounters(w, ETHERNET_COUNTERS, stats);
  if (version === 4) putDuration(w, stats);
}

function putDuration(w: ByteWriter, stats: PortStats): void {
  w.u32(stats.durationSec ?? UNKNOWN_32);
  w.u32(stats.durationNsec ?? UNKNOWN_32);
}

function putPortStats14(w: ByteWriter, stats: PortStats): void {
  const { rfc2819, custom } = stats;
  const start = w.grow(4);
  putPort11(w, stats.portNo);
  putDuration(w, stats);
  putCounters(w, COUNTERS, stats);
  putProperty(w, OFPPSPT_ETHERNET, () => {
    w.grow(4);
    putCounters(w, ETHERNET_COUNTERS, stats);
  });
  if (rfc2819) {
    putIntelProperty(w, INTEL_PORT_STATS_RFC2819, () => {
      w.grow(4);
      for (let i = 0; i < RFC2819_COUNTERS; i++) w.u64(rfc2819[i] ?? UNKNOWN_COUNT);
    });
  }
  if (custom) putIntelProperty(w, INTEL_PORT_STATS_CUSTOM, () => putCustom(w, custom));
  w.dv.setUint16(start, w.length - start);
}

function putIntelProperty(w: ByteWriter, subtype: number, put: () => void): void {
  putProperty(w, OFPPSPT_EXPERIMENTER, () => {
    w.u32(INTEL_VENDOR_ID);
    w.u32(subtype);
    put();
  });
}

function putCustom(w: ByteWriter, custom: NonNullable<PortStats['custom']>): void {
  w.grow(2);
  w.u16(custom.length);
  for (const [name, value] of custom) {
    const bytes = Buffer.from(name);
    w.byte(bytes.length);
    w.bytes(bytes);
    w.u64(value);
  }
}

function portRequest(since: OfpVersion, until: OfpVersion): AnyForm {
  return form<'port_request'>({
    type: 'port_request',
    name: 'OFPST_PORT',
    since,
    until,
    wire: { ofpst: 4, reply: false },
    min: 8,
    step: 0,
    decode: (r, { version }) => {
      const portNo = version === 1 ? r.u16() : pullPort11(r);
      return { portNo };
    },
    encode: (w, { portNo, version }) => {
      if (version === 1) w.u16(portNo);
      else putPort11(w, portNo);
      w.grow(version === 1 ? 6 : 4);
    },
  });
}

function portReply(since: OfpVersion, until: OfpVersion, step: number): AnyForm {
  return form<'port_reply'>({
    type: 'port_reply',
    name: 'OFPST_PORT',
    since,
    until,
    wire: { ofpst: 4, reply: true },
    min: 0,
    step,
    decode: (r, { version }) =>
      pullList(
        r,
        (rest) => pullPortStats(rest, version),
        (ports) => ({ ports }),
      ),
    encode: writeNothing,
    entries: {
      of: (msg) => msg.ports,
      put: (w, stats, { version }) => putPortStats(w, stats, version),
    },
  });
}

export const PORT_STATS_FORMS: readonly AnyForm[] = [
  portRequest(1, 1),
  portRequest(2, 6),
  portReply(1, 3, 104),
  portReply(4, 4, 112),
  portReply(5, 6, 8),
];
