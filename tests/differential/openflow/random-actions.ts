/** Random actions in ovs-ofctl's text, with the match that they need. */
import type { Random } from '@heddle/testing/random';

export interface RandomActions {
  readonly match: string;
  readonly actions: string;
}

type Make = (r: Random) => string;

/** A number of at most `bits`, often a small one. */
function number(r: Random, bits: number): bigint {
  if (r.chance(0.2)) return BigInt(r.below(2));
  const low = BigInt(r.below(2 ** Math.min(bits, 32)));
  return bits <= 32 ? low : (number(r, bits - 32) << 32n) | low;
}

const hex = (r: Random, bits: number) => `0x${number(r, bits).toString(16)}`;
const u8 = (r: Random) => String(r.below(256));
const u16 = (r: Random) => String(r.below(65536));
const u32 = (r: Random) => String(number(r, 32));
const ip = (r: Random) => [0, 0, 0, 0].map(() => r.below(256)).join('.');
const mac = (r: Random) =>
  [0, 0, 0, 0, 0, 0].map(() => hex(r, 8).slice(2).padStart(2, '0')).join(':');
const port = (r: Random) => r.pick(['1', '7', '300', '65279', 'in_port', 'local', 'flood']);

const REGISTERS: readonly (readonly [name: string, bits: number])[] = [
  ['reg0', 32],
  ['reg15', 32],
  ['xreg3', 64],
  ['xxreg1', 128],
  ['metadata', 64],
  ['tun_id', 64],
  ['eth_src', 48],
  ['eth_dst', 48],
  ['pkt_mark', 32],
  ['tun_src', 32],
  ['tun_ipv6_dst', 128],
  ['NXM_NX_REG4', 32],
  ['OXM_OF_METADATA', 64],
  ['in_port', 16],
];

/** Part of a register, of `width` bits when given. */
function subfield(r: Random, width?: number): { text: string; bits: number } {
  const fits = REGISTERS.filter(([, bits]) => bits >= (width ?? 1));
  const [name, bits] = r.pick(fits);
  if (width === undefined && r.chance(0.3)) return { text: `${name}[]`, bits };
  const n = width ?? 1 + r.below(bits);
  const from = r.below(bits - n + 1);
  return { text: `${name}[${n === 1 ? from : `${from}..${from + n - 1}`}]`, bits: n };
}

const HASHES = [
  'eth_src',
  'symmetric_l4',
  'symmetric_l3l4',
  'symmetric_l3l4+udp',
  'symmetric_l3',
  'nw_src',
  'nw_dst',
];

function load(r: Random): string {
  const { text, bits } = subfield(r);
  return `load:${hex(r, Math.min(bits, 64))}->${text}`;
}

function move(r: Random): string {
  const from = subfield(r, 1 + r.below(16));
  return `move:${from.text}->${subfield(r, from.bits).text}`;
}

function setField(r: Random): string {
  const masked = (value: string, mask: string) =>
    r.chance(0.3) ? `0x${(BigInt(value) & BigInt(mask)).toString(16)}/${mask}` : value;
  return r.pick<Make>([
    () => `set_field:${masked(hex(r, 32), '0xffff00ff')}->reg3`,
    () => `set_field:${masked(hex(r, 64), '0xff0000')}->metadata`,
    () => `set_field:${masked(hex(r, 64), '0xffff')}->tun_id`,
    () => `set_field:${mac(r)}->eth_dst`,
    () => `set_field:${ip(r)}->tun_dst`,
    () => `set_field:${hex(r, 64)}->xxreg2`,
    () => `set_field:${r.below(0xff00)}->in_port`,
    () => `set_field:${hex(r, 24)}->tun_metadata${r.below(64)}`,
    () => `set_field:${u16(r)}->tun_gbp_id`,
    () => `set_field:${r.pick(['oam', '0'])}->tun_flags`,
  ])(r);
}

function controller(r: Random): string {
  const options = [
    `max_len=${u16(r)}`,
    `id=${u16(r)}`,
    `reason=${r.pick(['no_match', 'action', 'invalid_ttl', 'action_set', 'group', 'packet_out'])}`,
    'userdata=01.02.0a.ff.7',
    'pause',
    `meter_id=${1 + r.below(1000)}`,
  ].map((option) => option.replace(/\.7$/, '.07'));
  return `controller(${options.filter(() => r.chance(0.4)).join(',')})`;
}

function learn(r: Random): string {
  const from = subfield(r, 1 + r.below(16));
  const parts = [
    `table=${r.below(255)}`,
    `idle_timeout=${u16(r)}`,
    `hard_timeout=${u16(r)}`,
    `priority=${u16(r)}`,
    `cookie=${hex(r, 64)}`,
    `fin_idle_timeout=${u16(r)}`,
    'send_flow_rem',
    'delete_learned',
    `limit=${u32(r)}`,
    'result_dst=reg0[3]',
    'NXM_OF_VLAN_TCI[0..11]',
    'eth_dst=eth_src',
    `reg1=${hex(r, 32)}`,
    `reg2[0..7]=${u8(r)}`,
    'eth_type=0x800',
    `load:${hex(r, 12)}->reg5[3..14]`,
    `load:${from.text}->${subfield(r, from.bits).text}`,
    'output:in_port',
    'output:reg3[0..15]',
  ];
  return `learn(${parts.filter(() => r.chance(0.35)).join(',')})`;
}

function nat(r: Random): string {
  const low = ip(r);
  const range = r.chance(0.5) ? `${low}-255.255.255.255` : low;
  const ports = r.chance(0.5) ? `:${r.below(1000)}${r.chance(0.5) ? '-5000' : ''}` : '';
  const flags = r.pick(['', ',random', ',hash', ',persistent', ',persistent,random']);
  return r.pick(['nat', `nat(${r.pick(['src', 'dst'])}=${range}${ports}${flags})`, 'nat(src)']);
}

function ct(r: Random): string {
  const commit = r.chance(0.5);
  const parts = [
    `zone=${r.pick([u16(r), 'reg0[0..15]', 'NXM_NX_REG3[16..31]'])}`,
    r.chance(0.5) ? nat(r) : 'nat',
    'alg=ftp',
    ...(commit ? ['force', 'exec(set_field:0x5/0xff->ct_mark,load:0x7->ct_label[64..70])'] : []),
    ...(commit ? [] : [`table=${r.below(255)}`]),
  ].filter(() => r.chance(0.5));
  return `ct(${[...(commit ? ['commit'] : []), ...parts.filter((p) => commit || !p.includes('='))].join(',')})`;
}

function sample(r: Random): string {
  const parts = [
    `collector_set_id=${u32(r)}`,
    `obs_domain_id=${u32(r)}`,
    `obs_point_id=${u32(r)}`,
    `sampling_port=${r.below(1000)}`,
    r.pick(['ingress', 'egress']),
  ].filter(() => r.chance(0.5));
  return `sample(${[`probability=${1 + r.below(65535)}`, ...parts].join(',')})`;
}

const ANYWHERE: readonly Make[] = [
  (r) => `output:${port(r)}`,
  (r) => port(r),
  (r) => `output:${subfield(r, 16).text}`,
  (r) => `output(port=${1 + r.below(100)},max_len=${14 + r.below(1000)})`,
  (r) => `controller:${u16(r)}`,
  controller,
  (r) => `enqueue:${1 + r.below(100)}:${u32(r)}`,
  (r) => `group:${r.below(1000)}`,
  (r) =>
    `bundle(${r.pick(HASHES)},${u16(r)},${r.pick(['hrw', 'active_backup'])},ofport,members:1,2,3)`,
  (r) => `bundle_load(${r.pick(HASHES)},${u16(r)},hrw,ofport,${subfield(r, 16).text},members:4)`,
  (r) =>
    `multipath(${r.pick(HASHES)},${u16(r)},${r.pick(['modulo_n', 'hash_threshold', 'hrw', 'iter_hash'])},${1 + r.below(200)},${u16(r)},${subfield(r, 16).text})`,
  load,
  move,
  setField,
  (r) => `mod_dl_src:${mac(r)}`,
  (r) => `mod_dl_dst:${mac(r)}`,
  (r) => `mod_vlan_vid:${r.below(4096)}`,
  (r) => `mod_vlan_pcp:${r.below(8)}`,
  (r) => `set_tunnel:${hex(r, 32)}`,
  (r) => `set_tunnel64:${hex(r, 64)}`,
  (r) => `set_queue:${u32(r)}`,
  () => 'pop_queue',
  (r) => `push:${subfield(r).text}`,
  (r) => `pop:${subfield(r).text}`,
  (r) => `check_pkt_larger(${u16(r)})->${subfield(r, 1).text}`,
  (r) => `delete_field:tun_metadata${r.below(64)}`,
  (r) => `resubmit:${r.below(1000)}`,
  (r) => `resubmit(${r.pick(['', '3', 'local'])},${r.below(255)})`,
  learn,
  sample,
  (r) =>
    `note:${Array.from({ length: 1 + r.below(20) }, () => hex(r, 8).slice(2).padStart(2, '0')).join('.')}`,
  () => 'exit',
  () => 'ct_clear',
  (r) => `clone(${list(r, ANYWHERE, 2)})`,
];

const OF_IPV4: readonly Make[] = [
  (r) => `mod_nw_src:${ip(r)}`,
  (r) => `mod_nw_tos:${4 * r.below(64)}`,
  (r) => `mod_nw_ecn:${r.below(4)}`,
  (r) => `mod_nw_ttl:${u8(r)}`,
  (r) => `mod_tp_src:${u16(r)}`,
  (r) => `mod_tp_dst:${u16(r)}`,
  (r) => `set_field:${ip(r)}->ip_dst`,
  (r) => `set_field:${u16(r)}->tcp_src`,
  (r) => `set_field:${u8(r)}->nw_ttl`,
  () => 'dec_ttl',
  (r) => `dec_ttl(${u16(r)},${u16(r)})`,
  (r) => `fin_timeout(idle_timeout=${u16(r)},hard_timeout=${u16(r)})`,
  ct,
  ct,
];

const OF_MPLS: readonly Make[] = [
  (r) => `set_mpls_label:${r.below(0x10_0000)}`,
  (r) => `set_mpls_tc:${r.below(8)}`,
  (r) => `set_mpls_ttl:${u8(r)}`,
  () => 'dec_mpls_ttl',
  (r) => `set_field:${r.below(8)}->mpls_tc`,
  (r) => `push_mpls:${r.pick(['0x8847', '0x8848'])}`,
];

const OF_VLAN: readonly Make[] = [
  (r) => `set_vlan_vid:${r.below(4096)}`,
  (r) => `set_vlan_pcp:${r.below(8)}`,
  (r) => `set_field:${4096 + r.below(4096)}->vlan_vid`,
  (r) => `set_field:${r.below(8)}->vlan_pcp`,
];

function list(r: Random, makes: readonly Make[], most: number): string {
  return Array.from({ length: 1 + r.below(most) }, () => r.pick(makes)(r)).join(',');
}

export function randomActions(r: Random): RandomActions {
  const [match, own] = r.pick<readonly [string, readonly Make[]]>([
    ['tcp', OF_IPV4],
    ['tcp', OF_IPV4],
    ['mpls', OF_MPLS],
    ['dl_vlan=5', OF_VLAN],
    ['reg0=1', []],
  ]);
  return { match, actions: list(r, [...ANYWHERE, ...own, ...own], 4) };
}
