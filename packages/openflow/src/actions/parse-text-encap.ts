/** encap and decap in text. */
import { OFPUTIL_P_OF13_UP } from '../match/protocols.ts';
import type { EncapProp } from '../ofp-actions.ts';
import { NSH_MDTYPE, NSH_TLV, PPT_PROP_NSH, PT_MPLS, PT_MPLS_MC, PT_NSH } from './parse-encap.ts';
import type { ParseAct, TextContext } from './text-context.ts';
import { KeyValueScanner } from './text-scan.ts';
import { fail, parseU8, parseU16 } from './text-values.ts';

export const ENCAP_TYPES: readonly (readonly [string, number])[] = [
  ['ethernet', 0],
  ['nsh', PT_NSH],
  ['mpls', PT_MPLS],
  ['mpls_mc', PT_MPLS_MC],
];

function parseEncap(c: TextContext, value: string): void {
  c.allow(OFPUTIL_P_OF13_UP);
  const scan = new KeyValueScanner(value);
  if (!scan.next()) fail(`Missing encap hdr: ${value}`);
  const found = ENCAP_TYPES.find(([name]) => name === scan.key);
  if (!found) fail(`Encap hdr not supported: ${scan.value}`);
  c.push({ type: 'encap', packetType: found[1], props: parseProps(found[1], scan.value) });
}

function parseProps(packetType: number, text: string): EncapProp[] {
  const scan = new KeyValueScanner(text);
  const props: EncapProp[] = [];
  while (scan.next()) {
    const { key, value } = scan;
    if (packetType === PT_NSH && key === 'md_type') props.push(mdType(value));
    else if (packetType === PT_NSH && key === 'tlv') props.push(tlv(value));
    else fail(`Invalid property: ${key}`);
  }
  return props;
}

function mdType(value: string): EncapProp {
  const type = parseU8(value, 'md_type');
  if (type !== 1 && type !== 2) fail('invalid md_type');
  return { class: PPT_PROP_NSH, type: NSH_MDTYPE, data: Uint8Array.of(type) };
}

/** `0xCLASS,TYPE,0xVALUE`. */
function tlv(text: string): EncapProp {
  const m = /^0x([0-9a-fA-F]+),([+-]?\d+),0x([0-9a-fA-F]+)/.exec(text);
  if (!m) fail(`Invalid NSH TLV header: ${text}`);
  const cls = Number.parseInt(m[1]!, 16);
  const value = Buffer.from(m[3]!, 'hex');
  const data = Uint8Array.of(cls >>> 8, cls, Number(m[2]), value.length, ...value);
  return { class: PPT_PROP_NSH, type: NSH_TLV, data };
}

function parseDecap(c: TextContext, value: string): void {
  const scan = new KeyValueScanner(value);
  if (!scan.next()) {
    c.push({ type: 'decap' });
    return;
  }
  if (scan.key !== 'packet_type') fail(`Invalid decap argument: ${scan.key}`);
  c.push({ type: 'decap', packetType: packetType(scan.value) });
}

function packetType(text: string): number {
  const scan = new KeyValueScanner(text);
  const take = (name: string): number => {
    if (!scan.next() || scan.key !== name) fail(`Missing packet_type attribute ${name}`);
    return parseU16(scan.value, name);
  };
  const ns = take('ns');
  return ns * 0x1_0000 + take('type');
}

export const ENCAP_PARSERS: readonly (readonly [string, ParseAct])[] = [
  ['encap', parseEncap],
  ['decap', parseDecap],
];
