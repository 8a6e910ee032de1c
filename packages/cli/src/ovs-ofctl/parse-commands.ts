/** Commands that try parsers and printers: what goes in comes out in other words. */
import {
  type ActionFormat,
  emitActions,
  emitInstructions,
  emitNxMatch,
  emitOfp10Match,
  emitOfp11StandardMatch,
  emitOxmEntries,
  encodeMessage,
  errorNumbers,
  errorReply,
  formatActions,
  formatMatch,
  formatOxm,
  formatProtocols,
  hexDump,
  isErrorName,
  Match,
  normalizeMatchLogged,
  type OfpAct,
  OfpError,
  type OfpMessage,
  type OfpVersion,
  PROTOCOL_ORDER,
  type Protocols,
  parseActions,
  parseGroupMod,
  parseInstructions,
  parseNxMatch,
  parseOfp10Match,
  parseOfp11Match,
  parseOxmText,
  parseVersions,
  protocolVersion,
} from '@heddle/openflow';
import { KeyValueScanner } from '@heddle/openflow/actions/text-scan';
import { HeddleError } from '@heddle/runtime/errors';
import { print } from '@heddle/runtime/stdio';
import type { Context } from './context.ts';
import { type FlowMods, parseFlowArgument, readFlowFile } from './flow-lines.ts';
import { flowModBodyFor } from './flows.ts';
import { allLines, differences, hexBytes, inputLines } from './hex-lines.ts';
import { Printer } from './printer.ts';
import { allowedProtocols, nextXid, versionName } from './target.ts';

export function parseFlow(ctx: Context): number {
  return showMods(ctx, parseFlowArgument(ctx.args[0]!, 'add', {}));
}

export function parseFlows(ctx: Context): number {
  return showMods(ctx, readFlowFile(ctx.args[0]!, 'add', {}));
}

/** As the first format that can carry all of them writes them. */
function showMods(ctx: Context, { mods, protocols }: FlowMods): number {
  print(`usable protocols: ${formatProtocols(protocols)}\n`);
  const protocol = choose(ctx, protocols);
  print(`chosen protocol: ${formatProtocols(protocol)}\n`);
  const printer = new Printer(ctx.settings, 0);
  const version = protocolVersion(protocol);
  for (const mod of mods) {
    const body = flowModBodyFor(mod, protocol);
    print(printer.raw(encodeMessage({ ...body, version, xid: nextXid() } as OfpMessage)));
  }
  return 0;
}

function choose(ctx: Context, usable: Protocols): Protocols {
  const allowed = allowedProtocols(ctx.settings) & usable;
  const first = PROTOCOL_ORDER.find((p) => (p & allowed) !== 0);
  if (first === undefined) throw new HeddleError('no usable protocol');
  return first;
}

export function parseGroup(ctx: Context): number {
  const { groupMod, protocols } = parseGroupMod(ctx.args[0]!, 'add', {});
  print(`usable protocols: ${formatProtocols(protocols)}\n`);
  const version = protocolVersion(choose(ctx, protocols));
  print(`chosen version: ${versionName(version)}\n`);
  const bytes = encodeMessage({ ...groupMod, type: 'group_mod', version, xid: nextXid() });
  return print(new Printer(ctx.settings, 0).raw(bytes));
}

export const parseNxm = (ctx: Context): number => parseEntries(ctx, undefined);

export function parseOxm(ctx: Context): number {
  const [text = ''] = ctx.args;
  const bits = parseVersions(text) ?? 0;
  const version = (31 - Math.clz32(bits)) as OfpVersion;
  if (bits < 1 << 3) throw new HeddleError(`${text}: not a valid version for OXM`);
  return parseEntries(ctx, version);
}

function parseEntries(ctx: Context, version: OfpVersion | undefined): number {
  const loose = !ctx.settings.strict;
  for (const line of allLines()) {
    const text = line.startsWith('#') ? '' : line.replace(/#.*$/, '');
    if (text.trim() === '') {
      print(`${line.startsWith('#') ? line : ''}\n`);
      continue;
    }
    const bytes = parseOxmText(text);
    try {
      const { match, cookie, cookieMask } = parseNxMatch(bytes, {
        loose,
        cookie: version === undefined,
      });
      const out =
        version === undefined
          ? emitNxMatch(match, cookie, cookieMask)
          : emitOxmEntries(match, version);
      print(`${formatOxm(out)}\n`);
    } catch (error) {
      if (!(error instanceof OfpError)) throw error;
      print(`nx_pull_match() returned error ${error.ofpErr}\n`);
    }
  }
  return 0;
}

function versionOf(text: string): OfpVersion {
  const bits = parseVersions(text);
  if (bits === undefined || bits === 0)
    throw new HeddleError(`${text}: not a valid OpenFlow version`);
  return (31 - Math.clz32(bits)) as OfpVersion;
}

export const parseActionsCommand = (ctx: Context): number =>
  parseList(ctx, 'actions', parseActions, emitActions);
export const parseInstructionsCommand = (ctx: Context): number =>
  parseList(ctx, 'instructions', parseInstructions, emitInstructions);

type Parse = (bytes: Uint8Array, version: OfpVersion) => readonly OfpAct[];
type Emit = typeof emitActions;

function parseList(ctx: Context, what: string, parse: Parse, emit: Emit): number {
  const version = versionOf(ctx.args[0]!);
  const format: ActionFormat = {};
  for (const line of inputLines()) {
    const bytes = hexBytes(line);
    try {
      const acts = parse(bytes, version);
      const text = `actions=${formatActions(acts, format)}\n`;
      print(`${text}${differences(bytes, emit(acts, version))}\n`);
    } catch (error) {
      if (!(error instanceof OfpError)) throw error;
      print(`bad ${versionName(version)} ${what}: ${error.ofpErr}\n\n`);
    }
  }
  return 0;
}

export function parseOfp10(): number {
  for (const line of inputLines()) {
    const bytes = hexBytes(line);
    if (bytes.length !== 40) {
      throw new HeddleError(`Input is ${bytes.length} bytes, expected 40`);
    }
    const match = parseOfp10Match(bytes);
    const once = emitOfp10Match(match);
    let text = `${formatMatch(match)}\n${differences(bytes, once)}`;
    normalizeMatchLogged(match);
    text += differences(once, emitOfp10Match(match), 'normal: ');
    print(`${text}\n`);
  }
  return 0;
}

export function parseOfp11(): number {
  for (const line of inputLines()) {
    const bytes = hexBytes(line);
    if (bytes.length !== 88) {
      throw new HeddleError(`Input is ${bytes.length} bytes, expected 88`);
    }
    // The command looks at neither type nor length.
    const standard = Uint8Array.from(bytes);
    standard.set([0, 0, 0, 88]);
    try {
      const { match } = parseOfp11Match(standard);
      const out = emitOfp11StandardMatch(match);
      print(`${formatMatch(match)}\n${differences(bytes, out)}\n`);
    } catch (error) {
      if (!(error instanceof OfpError)) throw error;
      print(`bad ofp11_match: ${error.ofpErr}\n\n`);
    }
  }
  return 0;
}

const hex4 = (n: number) => n.toString(16).padStart(4, '0');
const hex2 = (n: number) => n.toString(16).padStart(2, '0');

/** What becomes of a match on the VLAN TCI in each format. */
export function checkVlan(ctx: Context): number {
  const [tci = 0, mask = 0] = ctx.args.map((text) => Number.parseInt(text, 16));
  const match = new Match();
  match.mask.vlanTci0 = mask;
  match.key.vlanTci0 = tci & mask;
  const vlan = ({ key, mask: m }: Match) => `${hex4(key.vlanTci0)}/${hex4(m.vlanTci0)}`;
  const text = formatMatch(match);
  print(`${text} -> ${vlan(match)}\n`);
  const nxm = emitNxMatch(match);
  print(`NXM: ${formatOxm(nxm)} -> ${vlan(parseNxMatch(nxm).match)}\n`);
  const oxm = emitOxmEntries(match, 3);
  print(`OXM: ${formatOxm(oxm)} -> ${oxmVlan(parseNxMatch(oxm).match)}\n`);
  const ofp10 = emitOfp10Match(match);
  const wild10 = new DataView(ofp10.buffer).getUint32(0);
  const bit = (wild: number, n: number) => (wild >>> n) & 1;
  const vid10 = `${hex4((ofp10[18]! << 8) | ofp10[19]!)}/${bit(wild10, 1)}`;
  const back10 = vlan(parseOfp10Match(ofp10));
  print(`OF1.0: ${vid10},${hex2(ofp10[20]!)}/${bit(wild10, 20)} -> ${back10}\n`);
  const ofp11 = emitOfp11StandardMatch(match);
  const wild11 = new DataView(ofp11.buffer).getUint32(8);
  const vid11 = `${hex4((ofp11[36]! << 8) | ofp11[37]!)}/${bit(wild11, 1)}`;
  const back11 = vlan(parseOfp11Match(ofp11).match);
  return print(`OF1.1: ${vid11},${hex2(ofp11[38]!)}/${bit(wild11, 2)} -> ${back11}\n`);
}

function oxmVlan({ key, mask }: Match): string {
  const vid = `${hex4(key.vlanTci0 & 0x1fff)}/${hex4(mask.vlanTci0 & 0x1fff)}`;
  return `${vid},${(mask.vlanTci0 & 0xe000) === 0 ? '--' : hex2(key.vlanTci0 >>> 13)}`;
}

export function printErrorCommand(ctx: Context): number {
  const [name = ''] = ctx.args;
  if (!isErrorName(name)) throw new HeddleError(`unknown error "${name}"`);
  for (let version = 1; version <= 6; version++) {
    const error = errorNumbers(name, version as OfpVersion);
    const vendor = error?.vendor === undefined ? '0' : `0x${error.vendor.toString(16)}`;
    const { type = -1, code = -1 } = error ?? {};
    print(`OpenFlow 1.${version - 1}: vendor ${vendor}, type ${type}, code ${code}\n`);
  }
  return 0;
}

export function encodeErrorReply(ctx: Context): number {
  const [name = '', text = ''] = ctx.args;
  if (!isErrorName(name)) throw new HeddleError(`unknown error "${name}"`);
  const request = hexBytes(text, 'Trailing garbage in hex data');
  if (request.length < 8) throw new HeddleError('Request too short');
  return print(plainDump(encodeMessage(errorReply(name, request[0] as OfpVersion, request))));
}

/** No dash where the second half of a line would begin. */
function plainDump(bytes: Uint8Array): string {
  return hexDump(bytes, false).replaceAll(/-$/gm, '');
}

/** The argument: bit v for version v. */
export function encodeHello(ctx: Context): number {
  const versions = Number(ctx.args[0]);
  const version = (31 - Math.clz32(versions & 0x7e)) as OfpVersion;
  if (!(versions > 0) || (version as number) < 1) throw new HeddleError('no such OpenFlow version');
  const bytes = encodeMessage({ type: 'hello', version, xid: nextXid(), versions });
  return print(`${plainDump(bytes)}${new Printer(ctx.settings, 0).raw(bytes)}`);
}

/** `key=value` and `key(value)` words, as flows and actions are made of. */
export function parseKeyValue(ctx: Context): number {
  for (const text of ctx.args) print(`${keyValues(text).join(', ')}\n`);
  return 0;
}

function keyValues(text: string): string[] {
  const words: string[] = [];
  const scan = new KeyValueScanner(text);
  while (scan.next()) words.push(scan.value === '' ? scan.key : `${scan.key}=${scan.value}`);
  return words;
}
