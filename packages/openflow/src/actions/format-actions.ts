/** Actions and instructions in text, as `ovs-ofctl dump-flows` prints them (ovs-actions(7)). */
import { formatIpv4, formatMac } from '@heddle/packet';
import { OFPP_CONTROLLER, OFPP_IN_PORT, OFPP_MAX, OFPP_NONE } from '../constants.ts';
import type { Colors } from '../match/colors.ts';
import { formatPort, type PortNames } from '../match/ofp-port.ts';
import type { OfpAct } from '../ofp-actions.ts';
import { formatCt, formatNat } from './format-ct.ts';
import { formatLoad, formatSetField, formatSubfield, hex } from './format-field.ts';
import { formatLearn } from './format-learn.ts';
import { OFPR_ACTION } from './parse-controller.ts';
import { NSH_MDTYPE, NSH_TLV } from './parse-encap.ts';
import { ENCAP_TYPES } from './parse-text-encap.ts';
import { PACKET_IN_REASONS } from './parse-text-output.ts';
import { formatTable, type TableNames } from './table-names.ts';

export interface ActionFormat {
  readonly ports?: PortNames | undefined;
  readonly tables?: TableNames | undefined;
  readonly colors?: Colors | undefined;
}

type Act<T extends OfpAct['type']> = Extract<OfpAct, { type: T }>;

/** `drop` for none. */
export function formatActions(acts: readonly OfpAct[], format: ActionFormat = {}): string {
  if (acts.length === 0) return format.colors?.drop('drop') ?? 'drop';
  if (acts.length === 1) return formatAction(acts[0]!, format);
  let text = '';
  for (const act of acts) text += `${text === '' ? '' : ','}${formatAction(act, format)}`;
  return text;
}

/** `name:value`, the name painted. */
function param(f: ActionFormat, name: string, value: string): string {
  return `${f.colors?.param(`${name}:`) ?? `${name}:`}${value}`;
}

function special(f: ActionFormat, text: string): string {
  return f.colors?.special(text) ?? text;
}

function value(f: ActionFormat, text: string): string {
  return f.colors?.value(text) ?? text;
}

/** `name(inner)`. */
function call(f: ActionFormat, name: string, inner: string): string {
  const { colors } = f;
  if (!colors) return `${name}(${inner})`;
  return `${colors.paren(`${name}(`)}${inner}${colors.paren(')')}`;
}

function formatAction(act: OfpAct, f: ActionFormat): string {
  switch (act.type) {
    case 'output':
      return formatOutput(act, f);
    case 'resubmit':
      return formatResubmit(act, f);
    case 'set_field':
      return act.compat === 'load' ? formatLoad(act.set, f) : formatSetField(act.set, f);
    case 'move':
      return `${special(f, 'move:')}${formatSubfield(act.src)}${special(f, '->')}${formatSubfield(act.dst)}`;
    case 'learn':
      return formatLearn(act, f);
    case 'ct':
      return formatCt(act, f, (acts) => formatActions(acts, f));
    case 'nat':
      return formatNat(act, f);
    case 'clone':
      return call(f, 'clone', formatActions(act.actions, f));
    case 'goto_table':
      return param(f, 'goto_table', formatTable(act.table, f.tables));
    case 'write_actions':
      return call(f, 'write_actions', formatActions(act.actions, f));
    default:
      return formatHeaderChange(act, f);
  }
}

function formatOutput({ port, maxLen }: Act<'output'>, f: ActionFormat): string {
  if (port < OFPP_MAX) return `${special(f, 'output:')}${formatPort(port, f.ports)}`;
  if (port === OFPP_CONTROLLER) return `CONTROLLER:${maxLen}`;
  return formatPort(port, f.ports);
}

function formatResubmit({ port, table, withCt }: Act<'resubmit'>, f: ActionFormat): string {
  if (port !== OFPP_IN_PORT && table === 255) {
    return `${special(f, 'resubmit:')}${formatPort(port, f.ports)}`;
  }
  const p = port === OFPP_IN_PORT ? '' : formatPort(port, f.ports);
  const t = table === 255 ? '' : formatTable(table, f.tables);
  return call(f, 'resubmit', `${p},${t}${withCt ? ',ct' : ''}`);
}

function formatHeaderChange(act: OfpAct, f: ActionFormat): string {
  switch (act.type) {
    case 'set_vlan_vid':
      return param(f, act.push ? 'mod_vlan_vid' : 'set_vlan_vid', String(act.vid));
    case 'set_vlan_pcp':
      return param(f, act.push ? 'mod_vlan_pcp' : 'set_vlan_pcp', String(act.pcp));
    case 'strip_vlan':
      return value(f, act.compat ?? 'strip_vlan');
    case 'push_vlan':
    case 'push_mpls':
    case 'pop_mpls':
      return param(f, act.type, `0x${act.ethertype.toString(16).padStart(4, '0')}`);
    case 'mod_dl_src':
    case 'mod_dl_dst':
      return param(f, act.type, formatMac(act.mac));
    case 'mod_nw_src':
    case 'mod_nw_dst':
      return param(f, act.type, formatIpv4(act.ip));
    case 'mod_nw_tos':
    case 'mod_nw_ecn':
    case 'mod_nw_ttl':
      return param(f, act.type, String(act.value));
    case 'mod_tp_src':
    case 'mod_tp_dst':
      return param(f, act.type, String(act.port));
    case 'dec_ttl':
      return act.named ? call(f, 'dec_ttl', act.ids.join(',')) : value(f, 'dec_ttl');
    case 'set_mpls_label':
    case 'set_mpls_tc':
    case 'set_mpls_ttl':
      return call(f, act.type, String(act.value));
    case 'encap':
      return formatEncap(act, f);
    case 'decap':
      return formatDecap(act, f);
    case 'delete_field':
      return param(f, 'delete_field', act.field.name);
    case 'push':
    case 'pop':
      return param(f, act.type, formatSubfield(act.subfield));
    default:
      return formatOther(act, f);
  }
}

function formatOther(act: OfpAct, f: ActionFormat): string {
  switch (act.type) {
    case 'output_reg':
      return `${special(f, 'output:')}${formatSubfield(act.src)}`;
    case 'output_trunc': {
      const { colors } = f;
      const port = formatPort(act.port, f.ports);
      if (!colors) return `output(port=${port},max_len=${act.maxLen})`;
      return `${colors.special('output')}(port=${port},max_len=${act.maxLen})`;
    }
    case 'controller':
      return formatController(act, f);
    case 'enqueue':
      return param(f, 'enqueue', `${formatPort(act.port, f.ports)}:${act.queue}`);
    case 'group':
      return param(f, 'group', String(act.group));
    case 'bundle':
      return formatBundle(act, f);
    case 'multipath': {
      const { fields, basis, algorithm, maxLink, arg, dst } = act;
      const inner = `${fields},${basis},${algorithm},${maxLink + 1},${arg},${formatSubfield(dst)}`;
      return call(f, 'multipath', inner);
    }
    case 'set_tunnel': {
      const wide = act.wide || act.id > 0xffff_ffffn;
      return param(f, wide ? 'set_tunnel64' : 'set_tunnel', hex(act.id));
    }
    case 'set_queue':
      return param(f, 'set_queue', String(act.queue));
    case 'fin_timeout': {
      const parts: string[] = [];
      if (act.idle) parts.push(`idle_timeout=${act.idle}`);
      if (act.hard) parts.push(`hard_timeout=${act.hard}`);
      return call(f, 'fin_timeout', parts.join(','));
    }
    case 'check_pkt_larger':
      return `check_pkt_larger(${act.length})->${formatSubfield(act.dst)}`;
    case 'conjunction':
      return call(f, 'conjunction', `${act.id},${act.clause + 1}/${act.nClauses}`);
    case 'sample':
      return formatSample(act, f);
    default:
      return formatBare(act, f);
  }
}

function formatBare(act: OfpAct, f: ActionFormat): string {
  switch (act.type) {
    case 'note':
      return param(f, 'note', formatBytes(act.data));
    case 'exit':
      return special(f, 'exit');
    case 'meter':
      return param(f, 'meter', String(act.meter));
    case 'write_metadata': {
      const mask = act.mask === 0xffff_ffff_ffff_ffffn ? '' : `/${hex(act.mask)}`;
      return param(f, 'write_metadata', `${hex(act.metadata)}${mask}`);
    }
    default:
      return value(f, act.type);
  }
}

function formatBytes(bytes: Uint8Array): string {
  return Array.from(bytes, (b) => b.toString(16).padStart(2, '0')).join('.');
}

function formatController(act: Act<'controller'>, f: ActionFormat): string {
  const { maxLen, controllerId, reason, userdata, pause, meter } = act;
  const parts: string[] = [];
  if (reason !== OFPR_ACTION) parts.push(`reason=${PACKET_IN_REASONS[reason] ?? reason}`);
  if (maxLen !== 0xffff) parts.push(`max_len=${maxLen}`);
  if (controllerId !== 0) parts.push(`id=${controllerId}`);
  if (userdata?.length) parts.push(`userdata=${formatBytes(userdata)}`);
  if (pause) parts.push('pause');
  if (meter !== undefined) parts.push(`meter_id=${meter}`);
  const plain = reason === OFPR_ACTION && controllerId === 0 && !userdata?.length && !pause;
  if (plain && meter === undefined) return `${special(f, 'CONTROLLER:')}${maxLen}`;
  return call(f, 'controller', parts.join(','));
}

function formatBundle(act: Act<'bundle'>, f: ActionFormat): string {
  const members = act.members.map((port) => formatPort(port, f.ports)).join(',');
  const dst = act.dst ? `${formatSubfield(act.dst)},` : '';
  const inner = `${act.fields},${act.basis},${act.algorithm},ofport,${dst}members:${members}`;
  return call(f, act.dst ? 'bundle_load' : 'bundle', inner);
}

function formatSample(act: Act<'sample'>, f: ActionFormat): string {
  let inner = `probability=${act.probability},collector_set_id=${act.collectorSetId}`;
  inner += `,obs_domain_id=${act.obsDomainId},obs_point_id=${act.obsPointId}`;
  if (act.samplingPort !== OFPP_NONE) {
    inner += `,sampling_port=${formatPort(act.samplingPort, f.ports)}`;
  }
  if (act.direction !== 'default') inner += `,${act.direction}`;
  return call(f, 'sample', inner);
}

function formatEncap({ packetType, props }: Act<'encap'>, f: ActionFormat): string {
  const name = ENCAP_TYPES.find(([, type]) => type === packetType)?.[0] ?? hex(packetType);
  const inner = props.map(({ type, data }) => {
    if (type === NSH_MDTYPE) return `md_type=${data[0]}`;
    if (type !== NSH_TLV) return '';
    const cls = ((data[0]! << 8) | data[1]!).toString(16).padStart(4, '0');
    const bytes = Buffer.from(data.subarray(4)).toString('hex');
    return `tlv(0x${cls},${data[2]},${bytes === '' ? '0' : `0x${bytes}`})`;
  });
  return call(f, 'encap', inner.length ? `${name}(${inner.join(',')})` : name);
}

function formatDecap({ packetType }: Act<'decap'>, f: ActionFormat): string {
  if (packetType === undefined)
    return f.colors ? `${f.colors.paren('decap(')}${f.colors.paren(')')}` : 'decap()';
  const ns = packetType >>> 16;
  return call(f, 'decap', `packet_type(ns=${ns},type=${hex(packetType & 0xffff)})`);
}
