/** Ports: descriptions, changes and counters. */

import { formatMac } from '@heddle/packet';
import { type PhyPort, type PortMod, type PortStats, UNKNOWN_COUNT } from '../messages.ts';
import { type Bit, bits, counter, duration, type PrintNames, port } from './print-names.ts';

const CONFIG: readonly Bit[] = [
  [1 << 0, 'PORT_DOWN'],
  [1 << 1, 'NO_STP'],
  [1 << 2, 'NO_RECV'],
  [1 << 3, 'NO_RECV_STP'],
  [1 << 4, 'NO_FLOOD'],
  [1 << 5, 'NO_FWD'],
  [1 << 6, 'NO_PACKET_IN'],
];
const STATE: readonly Bit[] = [
  [1 << 0, 'LINK_DOWN'],
  [1 << 1, 'BLOCKED'],
  [1 << 2, 'LIVE'],
];
const STP_STATE: Readonly<Record<number, string>> = {
  256: 'STP_LEARN',
  512: 'STP_FORWARD',
  768: 'STP_BLOCK',
};
const FEATURES: readonly Bit[] = [
  [1 << 0, '10MB-HD'],
  [1 << 1, '10MB-FD'],
  [1 << 2, '100MB-HD'],
  [1 << 3, '100MB-FD'],
  [1 << 4, '1GB-HD'],
  [1 << 5, '1GB-FD'],
  [1 << 6, '10GB-FD'],
  [1 << 7, '40GB-FD'],
  [1 << 8, '100GB-FD'],
  [1 << 9, '1TB-FD'],
  [1 << 10, 'OTHER'],
  [1 << 11, 'COPPER'],
  [1 << 12, 'FIBER'],
  [1 << 13, 'AUTO_NEG'],
  [1 << 14, 'AUTO_PAUSE'],
  [1 << 15, 'AUTO_PAUSE_ASYM'],
];
const REASON = ['ADD', 'DEL', 'MOD'];

/** Up to what is no printable ASCII; the last of 16 bytes is always NUL. */
function shownName(name: string): string {
  return /^[ -~]{0,15}/.exec(name)?.[0] ?? '';
}

export function printPort(p: PhyPort): string {
  let out = ` ${port(p.portNo, {})}(${shownName(p.name)}): addr:${formatMac(p.hwAddr)}\n`;
  out += `     config:     ${bits(p.config, CONFIG)}\n     state:      ${portState(p.state)}\n`;
  const features: readonly (readonly [string, number])[] = [
    ['current:    ', p.curr],
    ['advertised: ', p.advertised],
    ['supported:  ', p.supported],
    ['peer:       ', p.peer],
  ];
  for (const [title, value] of features) {
    if (value !== 0) out += `     ${title}${bits(value, FEATURES)}\n`;
  }
  const mbps = (kbps: number) => Math.floor(kbps / 1000);
  return `${out}     speed: ${mbps(p.currSpeed)} Mbps now, ${mbps(p.maxSpeed)} Mbps max\n`;
}

function portState(state: number): string {
  const stp = STP_STATE[state & 0x300];
  if (stp === undefined) return bits(state, STATE);
  const rest = state & ~0x300;
  return rest === 0 ? stp : stp + bits(rest, STATE);
}

/** In the order of their numbers. */
export function printPorts(ports: readonly PhyPort[]): string {
  return ports
    .toSorted((a, b) => a.portNo - b.portNo)
    .map((p) => printPort(p))
    .join('');
}

export function printPortStatus(reason: number, p: PhyPort): string {
  return ` ${REASON[reason] ?? ''}:${printPort(p)}`;
}

export function printPortMod(mod: PortMod, names: PrintNames): string {
  const advertise = mod.advertise === 0 ? 'UNCHANGED' : bits(mod.advertise, FEATURES);
  return (
    ` port: ${port(mod.portNo, names)}: addr:${formatMac(mod.hwAddr)}\n` +
    `     config: ${bits(mod.config, CONFIG)}\n` +
    `     mask:   ${bits(mod.mask, CONFIG)}\n` +
    `     advertise: ${advertise}\n`
  );
}

export function printPortStats(
  ports: readonly PortStats[],
  verbosity: number,
  names: PrintNames,
): string {
  let out = ` ${ports.length} ports\n`;
  if (verbosity < 1) return out;
  for (const p of ports) out += onePortStats(p, names);
  return out;
}

function onePortStats(p: PortStats, names: PrintNames): string {
  const c = counter;
  let out =
    `  port ${p.portNo < 10 ? ' ' : ''}${port(p.portNo, names)}: rx ` +
    `pkts=${c(p.rxPackets)}, bytes=${c(p.rxBytes)}, drop=${c(p.rxDropped)}, errs=${c(p.rxErrors)}, ` +
    `frame=${c(p.rxFrameErr)}, over=${c(p.rxOverErr)}, crc=${c(p.rxCrcErr)}\n` +
    `           tx pkts=${c(p.txPackets)}, bytes=${c(p.txBytes)}, drop=${c(p.txDropped)}, ` +
    `errs=${c(p.txErrors)}, coll=${c(p.collisions)}\n`;
  if (p.durationSec !== undefined && p.durationSec !== 0xffff_ffff) {
    out += `           duration=${duration(p.durationSec, p.durationNsec ?? 0)}\n`;
  }
  if (p.rfc2819) out += printRfc2819(p.rfc2819);
  if (p.custom && p.custom.length > 0) out += printCustom(p.custom);
  return out;
}

/** RFC 2819's counters, by their places in the property. */
const RX_RFC2819: readonly (readonly [name: string, place: number])[] = [
  ['1_to_64_packets', 0],
  ['65_to_127_packets', 1],
  ['128_to_255_packets', 2],
  ['256_to_511_packets', 3],
  ['512_to_1023_packets', 4],
  ['1024_to_1522_packets', 5],
  ['1523_to_max_packets', 6],
  ['broadcast_packets', 15],
  ['undersized_errors', 17],
  ['oversize_errors', 18],
  ['rx_fragmented_errors', 19],
  ['rx_jabber_errors', 20],
];
const TX_RFC2819: readonly (readonly [name: string, place: number])[] = [
  ['1_to_64_packets', 7],
  ['65_to_127_packets', 8],
  ['128_to_255_packets', 9],
  ['256_to_511_packets', 10],
  ['512_to_1023_packets', 11],
  ['1024_to_1522_packets', 12],
  ['1523_to_max_packets', 13],
  ['multicast_packets', 14],
  ['broadcast_packets', 16],
];

function printRfc2819(counters: readonly bigint[]): string {
  let out = '';
  for (const [title, table] of [
    ['rx', RX_RFC2819],
    ['tx', TX_RFC2819],
  ] as const) {
    const known = table.filter(([, place]) => counters[place] !== UNKNOWN_COUNT);
    if (known.length === 0) continue;
    const texts = known.map(([name, place]) => `${name}=${counters[place] ?? 0n}, `);
    out += `           ${title} rfc2819 ${texts.join('')}\n`;
  }
  return out;
}

const MAX_NAME = 63;

/** Three to a line. */
function printCustom(custom: NonNullable<PortStats['custom']>): string {
  const shown = custom.filter(([name]) => name !== '');
  if (shown.length === 0) return '';
  let out = '           CUSTOM Statistics';
  for (const [i, [name, value]] of shown.entries()) {
    out += i % 3 === 0 ? `\n${' '.repeat(22)}` : ' ';
    out += `${name.slice(0, MAX_NAME)}=${value},`;
  }
  return `${out}\n`;
}
