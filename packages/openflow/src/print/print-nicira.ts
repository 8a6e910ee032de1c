/** Bundles, TLV maps, roles, IPFIX, and connections to forget. */
import type { TlvMapping } from '@heddle/packet';
import { formatIpv4, formatIpv6 } from '@heddle/packet';
import type { BundleControl, CtTuple, IpfixStats, OfpBody } from '../messages.ts';
import { type Bit, bits, counter, hexOrZero } from './print-names.ts';

const BUNDLE_FLAGS: readonly Bit[] = [
  [1 << 0, 'atomic'],
  [1 << 1, 'ordered'],
];

export function printBundleControl(id: number, control: BundleControl, flags: number): string {
  const type = control === 'unknown' ? '' : control.toUpperCase();
  return `\n bundle_id=${hexOrZero(id)} type=${type} flags=${bits(flags, BUNDLE_FLAGS)}`;
}

/** What precedes the message itself. */
export function printBundleAdd(id: number, flags: number): string {
  return `\n bundle_id=${hexOrZero(id)} flags=${bits(flags, BUNDLE_FLAGS)}\n`;
}

const NO_GENERATION = 0xffff_ffff_ffff_ffffn;

type RoleMessage = Extract<OfpBody, { type: 'role_request' | 'role_reply' }>;

export function printRole(msg: RoleMessage): string {
  const { generationId: id = NO_GENERATION } = msg;
  const generation = id === NO_GENERATION ? '' : ` generation_id=${id}`;
  return ` role=${msg.role}${generation}\n`;
}

const ROLE_REASONS = ['primary_request', 'configuration_changed', 'experimenter_data_changed'];

export function printRoleStatus(msg: Extract<OfpBody, { type: 'role_status' }>): string {
  const generation = msg.generationId === NO_GENERATION ? '' : ` generation_id=${msg.generationId}`;
  return ` role=${msg.role}${generation} reason=${ROLE_REASONS[msg.reason] ?? '(unknown)'}\n`;
}

function printMappings(mappings: readonly TlvMapping[]): string {
  let out = ' mapping table:\n  class  type  length  match field\n';
  out += ' ------  ----  ------  --------------\n';
  for (const m of mappings) {
    const cls = hexOrZero(m.optionClass).padStart(7);
    const type = hexOrZero(m.optionType).padStart(6);
    out += `${cls}${type}${String(m.optionLen).padStart(8)}  tun_metadata${m.index}\n`;
  }
  return out;
}

export function printTlvTableMod(command: string, mappings: readonly TlvMapping[]): string {
  if (command === 'clear') return '\n CLEAR';
  return `\n ${command === 'add' ? 'ADD' : 'DEL'}${printMappings(mappings)}`;
}

export function printTlvTableReply(msg: Extract<OfpBody, { type: 'tlv_table_reply' }>): string {
  const allocated = msg.mappings.reduce((sum, { optionLen }) => sum + optionLen, 0);
  return (
    `\n max option space=${msg.maxOptionSpace} max fields=${msg.maxFields}\n` +
    ` allocated option space=${allocated}\n\n${printMappings(msg.mappings)}`
  );
}

function ipfixLines(counters: readonly bigint[], indent: string): string {
  const c = (i: number) => counter(counters[i] ?? 0n);
  return (
    `flows=${c(0)}, current flows=${c(1)}, sampled pkts=${c(2)}, ipv4 ok=${c(3)}, ` +
    `ipv6 ok=${c(4)}, tx pkts=${c(8)}\n` +
    `${indent}pkts errs=${c(5)}, ipv4 errs=${c(6)}, ipv6 errs=${c(7)}, tx errs=${c(9)}\n`
  );
}

export function printIpfixBridge(stats: readonly IpfixStats[]): string {
  return `\n  bridge ipfix: ${ipfixLines(stats[0]?.counters ?? [], ' '.repeat(16))}`;
}

export function printIpfixFlow(stats: readonly IpfixStats[]): string {
  let out = ` ${stats.length} ids\n`;
  for (const s of stats) {
    const id = String(s.collectorSetId ?? 0).padStart(3);
    out += `  id ${id}: ${ipfixLines(s.counters, ' '.repeat(10))}`;
  }
  return out;
}

export function printCtFlush(msg: Extract<OfpBody, { type: 'ct_flush' }>): string {
  const proto = msg.original.proto ?? 0;
  const original = tupleText(msg.original, proto);
  const reply = tupleText(msg.reply, proto);
  return ` zone=${msg.zone ?? 0} '${original},ct_nw_proto=${proto}' '${reply}'`;
}

const isIcmp = (proto: number): boolean => proto === 1 || proto === 58;

function tupleText(t: CtTuple, proto: number): string {
  const out = addresses(t);
  if (isIcmp(proto)) {
    out.push(`icmp_id=${t.icmpId ?? 0}`, `icmp_type=${t.icmpType ?? 0}`);
    out.push(`icmp_code=${t.icmpCode ?? 0}`);
  } else {
    out.push(`ct_tp_src=${t.srcPort ?? 0}`, `ct_tp_dst=${t.dstPort ?? 0}`);
  }
  return out.join(',');
}

function addresses({ src, dst }: CtTuple): string[] {
  const family = src?.length === 4 || dst?.length === 4 ? 4 : 6;
  if (family === 6) {
    const text = (a?: Uint8Array) => (a ? formatIpv6(a) : '::');
    return [`ct_ipv6_src=${text(src)}`, `ct_ipv6_dst=${text(dst)}`];
  }
  const text = (a?: Uint8Array) =>
    a?.length === 4 ? formatIpv4(new DataView(a.buffer, a.byteOffset, 4).getUint32(0)) : '<unset>';
  return [`ct_nw_src=${text(src)}`, `ct_nw_dst=${text(dst)}`];
}
