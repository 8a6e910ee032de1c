/** Meters in text, as `ovs-ofctl add-meter` takes them (ovs-ofctl(8), "Meter Syntax"). */
import { KeyValueScanner } from '../actions/text-scan.ts';
import { fail, parseU8, parseU32 } from '../actions/text-values.ts';
import { OFPM13_ALL, OFPM13_CONTROLLER, OFPM13_MAX, OFPM13_SLOWPATH } from '../constants.ts';
import type { MeterBand, MeterMod } from '../messages.ts';

const OFPMF13 = { kbps: 1, pktps: 2, burst: 4, stats: 8 } as const;

/** Errors are ovs-ofctl's, as HeddleError. */
export function parseMeterMod(text: string, command: MeterMod['command']): MeterMod {
  const isDelete = command === 'delete';
  let head = text;
  let bandText = '';
  if (!isDelete) {
    const at = text.indexOf('band');
    const equals = at < 0 ? -1 : text.indexOf('=', at);
    if (equals < 0) fail('must specify bands');
    head = text.slice(0, at);
    bandText = text.slice(equals + 1);
  }
  const { meterId, flags } = parseHead(head, isDelete);
  const bands = isDelete ? [] : parseBands(bandText, (flags & OFPMF13.burst) !== 0);
  return { command, meterId, flags, bands };
}

function parseHead(text: string, isDelete: boolean): { meterId: number; flags: number } {
  const scan = new KeyValueScanner(text);
  let meterId: number | undefined;
  let flags = 0;
  while (scan.next()) {
    const { key, value } = scan;
    if (!isDelete && key in OFPMF13) flags |= OFPMF13[key as keyof typeof OFPMF13];
    else if (value === '') fail(`field ${key} missing value`);
    else if (key === 'meter') meterId = parseMeterId(value);
    else fail(`unknown keyword ${key}`);
  }
  if (meterId === undefined) fail("must specify 'meter'");
  if (!isDelete && flags === 0) fail("meter must specify either 'kbps' or 'pktps'");
  return { meterId, flags };
}

const NAMED: Readonly<Record<string, number>> = {
  all: OFPM13_ALL,
  controller: OFPM13_CONTROLLER,
  slowpath: OFPM13_SLOWPATH,
};

/** A number, or the name of a meter of the switch's own. */
export function parseMeterId(value: string): number {
  const named = NAMED[value];
  if (named !== undefined) return named;
  const id = parseU32(value);
  if (id === 0 || id > OFPM13_MAX) fail('invalid value for meter');
  return id;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

function parseBands(text: string, burst: boolean): MeterBand[] {
  const bands: Mutable<MeterBand>[] = [];
  const scan = new KeyValueScanner(text);
  while (scan.next()) {
    const { key, value } = scan;
    if (bands.length === 0 && key !== 'type') fail("band must start with the 'type' keyword");
    if (key === 'type') {
      if (value !== 'drop' && value !== 'dscp_remark') fail(`field type unknown value ${value}`);
      bands.push({ type: value, rate: 0, burstSize: 0, precLevel: 0 });
      continue;
    }
    const band = bands.at(-1)!;
    if (key === 'rate') band.rate = parseU32(value);
    else if (key === 'burst_size') band.burstSize = parseU32(value);
    else if (key === 'prec_level') band.precLevel = parseU8(value, key);
    else fail(`unknown keyword ${key}`);
  }
  if (bands.length === 0) fail('meter must have bands');
  for (const band of bands) checkBand(band, burst);
  return bands;
}

function checkBand(band: MeterBand, burst: boolean): void {
  if (band.type === 'dscp_remark') {
    if (band.precLevel === 0) fail("'dscp_remark' band must have 'prec_level'");
  } else if (band.precLevel !== 0) {
    fail("Only 'dscp_remark' band may have 'prec_level'");
  }
  if (band.rate === 0) fail("band must have 'rate'");
  if (burst && band.burstSize === 0) {
    fail("band must have 'burst_size' when 'burst' flag is set");
  }
  if (!burst && band.burstSize !== 0) {
    fail("band may have 'burst_size' only when 'burst' flag is set");
  }
}
