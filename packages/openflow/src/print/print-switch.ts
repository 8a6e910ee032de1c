/** What a switch says of itself: features, configuration, description. */
import type { OfpVersion } from '../constants.ts';
import type { SwitchDesc, SwitchFeatures } from '../messages.ts';
import { actionNames } from '../msgs/feature-names.ts';
import { type Bit, bits } from './print-names.ts';
import { printPorts } from './print-ports.ts';

const CAPABILITIES: readonly Bit[] = [
  [1 << 0, 'FLOW_STATS'],
  [1 << 1, 'TABLE_STATS'],
  [1 << 2, 'PORT_STATS'],
  [1 << 5, 'IP_REASM'],
  [1 << 6, 'QUEUE_STATS'],
];

/** Bits are not the same in all versions: `capabilities` are OpenFlow 1.3's, STP apart. */
function capabilityNames(version: OfpVersion): readonly Bit[] {
  const names: Bit[] = [...CAPABILITIES];
  if (version === 1) names.push([1 << 3, 'STP']);
  else names.push([1 << 3, 'GROUP_STATS']);
  if (version <= 2) names.push([1 << 7, 'ARP_MATCH_IP']);
  else names.push([1 << 8, 'PORT_BLOCKED']);
  if (version >= 5) names.push([1 << 9, 'BUNDLES'], [1 << 10, 'FLOW_MONITORING']);
  return names.sort((a, b) => a[0] - b[0]);
}

export function printFeatures(f: SwitchFeatures, version: OfpVersion): string {
  const dpid = f.datapathId.toString(16).padStart(16, '0');
  let out = ` dpid:${dpid}\nn_tables:${f.nTables}, n_buffers:${f.nBuffers}`;
  if (f.auxiliaryId !== 0) out += `, auxiliary_id:${f.auxiliaryId}`;
  out += `\ncapabilities: ${bits(f.capabilities, capabilityNames(version))}\n`;
  const actions = version === 1 ? actionNames(f.actions, 1) : [];
  if (actions.length > 0) out += `actions: ${actions.join(' ')}\n`;
  return out + printPorts(f.ports);
}

const FRAG_NAMES = ['normal', 'drop', 'reassemble', 'nx-match'];
const OFPC_FRAG_MASK = 3;
const OFPC_INVALID_TTL_TO_CONTROLLER = 4;

export function printConfig(flags: number, missSendLen: number, version: OfpVersion): string {
  const invalidTtl = version < 4 && (flags & OFPC_INVALID_TTL_TO_CONTROLLER) !== 0;
  const frags = FRAG_NAMES[flags & OFPC_FRAG_MASK]!;
  return (
    ` frags=${frags}${invalidTtl ? ' invalid_ttl_to_controller' : ''} ` +
    `miss_send_len=${missSendLen}\n`
  );
}

export function printDesc(d: SwitchDesc): string {
  return (
    `\nManufacturer: ${d.mfr}\nHardware: ${d.hw}\nSoftware: ${d.sw}\n` +
    `Serial Num: ${d.serial}\nDP Description: ${d.dp}\n`
  );
}
