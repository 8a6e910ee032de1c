import {
  OFPUTIL_P_ANY,
  type PacketInFormat,
  parseProtocols,
  parseVersions,
} from '@heddle/openflow';
import { applyDaemonOption, DAEMON_OPTIONS, type DaemonConfig } from '@heddle/runtime/daemon';
import { HeddleError } from '@heddle/runtime/errors';
import { applyLogOption, LOG_OPTIONS } from '@heddle/runtime/log-options';
import type { OptionSpec, ParsedOption } from '@heddle/runtime/options';
import { acceptedCiphers, acceptedProtocols } from '@heddle/runtime/tls';
import { startAlarm } from '../ovsdb-client/alarm.ts';
import { PROGRAM } from './program.ts';
import type { Settings } from './settings.ts';
import { isSortable } from './sort-flows.ts';

export const OPTIONS: readonly OptionSpec[] = [
  { long: 'timeout', short: 't', argument: 'SECS' },
  { long: 'strict' },
  { long: 'readd' },
  { long: 'flow-format', short: 'F', argument: 'FORMAT' },
  { long: 'packet-in-format', short: 'P', argument: 'FORMAT' },
  { long: 'more', short: 'm' },
  { long: 'timestamp' },
  { long: 'sort', argument: 'FIELD', optional: true },
  { long: 'rsort', argument: 'FIELD', optional: true },
  { long: 'names' },
  { long: 'no-names' },
  { long: 'stats' },
  { long: 'no-stats' },
  { long: 'unixctl', argument: 'SOCKET' },
  { long: 'help', short: 'h' },
  { long: 'option', short: 'o' },
  { long: 'bundle' },
  { long: 'color', argument: 'WHEN', optional: true },
  { long: 'may-create' },
  { long: 'pcap' },
  { long: 'raw' },
  { long: 'read-only' },
  ...DAEMON_OPTIONS,
  { long: 'version', short: 'V' },
  { long: 'protocols', short: 'O', argument: 'VERSIONS' },
  ...LOG_OPTIONS,
  { long: 'private-key', short: 'p', argument: 'FILE' },
  { long: 'certificate', short: 'c', argument: 'FILE' },
  { long: 'ca-cert', short: 'C', argument: 'FILE' },
  { long: 'ssl-protocols', argument: 'PROTOS' },
  { long: 'ssl-ciphers', argument: 'CIPHERS' },
];

const PACKET_IN_FORMATS: Readonly<Record<string, PacketInFormat>> = {
  standard: 'standard',
  openflow10: 'standard',
  nxt_packet_in: 'nxt_packet_in',
  nxm: 'nxt_packet_in',
  nxt_packet_in2: 'nxt_packet_in2',
};

/** Throws HeddleError for what cannot be. */
export function applyOptions(
  options: readonly ParsedOption[],
  settings: Settings,
  daemon: DaemonConfig,
): void {
  for (const option of options) {
    if (applyDaemonOption(PROGRAM, daemon, option) || applyLogOption(PROGRAM, option)) continue;
    applyOption(option, settings);
  }
}

function applyOption({ spec, value }: ParsedOption, settings: Settings): void {
  const text = value ?? '';
  switch (spec.long) {
    case 'timeout':
      startAlarm(text);
      return;
    case 'strict':
      settings.strict = true;
      return;
    case 'readd':
      settings.readd = true;
      return;
    case 'flow-format':
      settings.protocols = flowFormats(text);
      return;
    case 'packet-in-format':
      settings.packetInFormat = packetInFormat(text);
      return;
    case 'more':
      settings.verbosity++;
      return;
    case 'timestamp':
      settings.timestamp = true;
      return;
    case 'sort':
    case 'rsort':
      addSortKey(settings, value, spec.long === 'rsort');
      return;
    case 'names':
    case 'no-names':
      settings.names = spec.long === 'names';
      return;
    case 'stats':
    case 'no-stats':
      settings.stats = spec.long === 'stats';
      return;
    case 'unixctl':
      settings.unixctl = text;
      return;
    default:
      applyMode(spec.long!, value, settings);
  }
}

function applyMode(name: string, value: string | undefined, settings: Settings): void {
  const text = value ?? '';
  switch (name) {
    case 'bundle':
      settings.bundle = true;
      return;
    case 'color':
      settings.color = color(value);
      return;
    case 'may-create':
      settings.mayCreate = true;
      return;
    case 'pcap':
      settings.pcap = true;
      return;
    // Of no effect in Open vSwitch, either.
    case 'raw':
      return;
    case 'read-only':
      settings.readOnly = true;
      return;
    case 'protocols':
      settings.versions = versions(text);
      return;
    case 'private-key':
      settings.tls.privateKey = text;
      return;
    case 'certificate':
      settings.tls.certificate = text;
      return;
    case 'ca-cert':
      settings.tls.caCert = text;
      return;
    case 'ssl-protocols':
      settings.tls.protocols = acceptedProtocols(text);
      return;
    case 'ssl-ciphers':
      settings.tls.ciphers = acceptedCiphers(text);
  }
}

const ALL_VERSIONS = 0b111_1110;

function versions(text: string): number {
  for (const word of text.split(/[\s,]+/).filter(Boolean)) {
    if (parseVersions(word) === undefined) {
      throw new HeddleError(`Unknown OpenFlow version: "${word}"`);
    }
  }
  // As upstream's, a list of none means all.
  return parseVersions(text) || ALL_VERSIONS;
}

function flowFormats(text: string): number {
  const words = text.split(/[\s,]+/).filter(Boolean);
  if (words.length === 0) throw new HeddleError(`${text}: no flow protocol specified`);
  for (const word of words) {
    if (parseProtocols(word) === undefined) {
      throw new HeddleError(`${word}: unknown flow protocol`);
    }
  }
  return parseProtocols(text) ?? OFPUTIL_P_ANY;
}

function packetInFormat(text: string): PacketInFormat {
  const format = PACKET_IN_FORMATS[text];
  if (format === undefined) throw new HeddleError(`unknown packet-in format \`${text}'`);
  return format;
}

function addSortKey(settings: Settings, value: string | undefined, descending: boolean): void {
  const field = value ?? 'priority';
  if (field.toLowerCase() !== 'priority' && !isSortable(field)) {
    throw new HeddleError(`${field}: unknown field name`);
  }
  settings.sort.push({
    field: field.toLowerCase() === 'priority' ? 'priority' : field,
    descending,
  });
}

function color(value: string | undefined): Settings['color'] {
  const text = (value ?? 'auto').toLowerCase();
  if (['always', 'yes', 'force'].includes(text)) return 'always';
  if (['never', 'no', 'none'].includes(text)) return 'never';
  if (['auto', 'tty', 'if-tty'].includes(text)) return 'auto';
  throw new HeddleError(`incorrect value \`${value}' for --color`);
}
