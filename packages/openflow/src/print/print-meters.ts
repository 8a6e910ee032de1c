/** Meters: changes, configuration, counters, features. */
import { OFPM13_ALL, OFPM13_CONTROLLER, OFPM13_MAX, OFPM13_SLOWPATH } from '../constants.ts';
import type { MeterBand, MeterConfig, MeterFeatures, MeterMod, MeterStats } from '../messages.ts';
import { type Bit, bits, duration } from './print-names.ts';

const NAMED = new Map([
  [OFPM13_SLOWPATH, 'slowpath'],
  [OFPM13_CONTROLLER, 'controller'],
  [OFPM13_ALL, 'all'],
]);
const OFPMF13_BURST = 4;
const FLAGS: readonly Bit[] = [
  [1, 'kbps'],
  [2, 'pktps'],
  [4, 'burst'],
  [8, 'stats'],
];
const BAND_TYPES: readonly Bit[] = [
  [1 << 1, 'drop'],
  [1 << 2, 'dscp_remark'],
];
const COMMANDS: Readonly<Record<MeterMod['command'], string>> = {
  add: 'ADD',
  modify: 'MOD',
  delete: 'DEL',
};

/** `separator` is `=` or `:`. */
export function printMeterId(id: number, separator = '='): string {
  const name = id <= OFPM13_MAX ? String(id) : (NAMED.get(id) ?? 'unknown');
  return `meter${separator}${name}`;
}

function printBand(band: MeterBand, flags: number): string {
  let out = `\ntype=${band.type} rate=${band.rate}`;
  if ((flags & OFPMF13_BURST) !== 0) out += ` burst_size=${band.burstSize}`;
  if (band.type === 'dscp_remark') out += ` prec_level=${band.precLevel}`;
  return out;
}

export function printMeterConfig({ meterId, flags, bands }: MeterConfig): string {
  let out = `${printMeterId(meterId)} `;
  if (flags !== 0) {
    for (const [bit, name] of FLAGS) if ((flags & bit) !== 0) out += `${name} `;
    const rest = flags & ~0xf;
    if (rest !== 0) out += `flags:0x${rest.toString(16)} `;
  }
  return `${out}bands=${bands.map((band) => printBand(band, flags)).join('')}\n`;
}

export function printMeterMod(mod: MeterMod): string {
  return ` ${COMMANDS[mod.command]} ${printMeterConfig(mod)}`;
}

export function printMeterConfigs(meters: readonly MeterConfig[]): string {
  return meters.map((meter) => `\n${printMeterConfig(meter)}`).join('');
}

export function printMeterStats(meters: readonly MeterStats[]): string {
  let out = '';
  for (const m of meters) {
    out += `\n${printMeterId(m.meterId, ':')} flow_count:${m.flowCount} `;
    out += `packet_in_count:${m.packetInCount} byte_in_count:${m.byteInCount} `;
    out += `duration:${duration(m.durationSec, m.durationNsec)} bands:\n`;
    for (const [i, band] of m.bands.entries()) {
      out += `${i}: packet_count:${band.packetCount} byte_count:${band.byteCount}\n`;
    }
  }
  return out;
}

export function printMeterFeatures(f: MeterFeatures): string {
  return (
    `\nmax_meter:${f.maxMeters} max_bands:${f.maxBands} max_color:${f.maxColor}\n` +
    `band_types: ${bits(f.bandTypes, BAND_TYPES)}\n` +
    `capabilities: ${bits(f.capabilities, FLAGS)}\n`
  );
}
