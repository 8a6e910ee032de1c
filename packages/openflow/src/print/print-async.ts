/** Which asynchronous messages a controller gets. */
import type { AsyncConfig } from '../messages.ts';
import { FLOW_REMOVED_REASONS, PACKET_IN_REASONS } from './reasons.ts';

const KINDS: readonly (readonly [
  kind: keyof AsyncConfig,
  title: string,
  reasons: readonly (string | undefined)[],
])[] = [
  ['packetIn', 'PACKET_IN', PACKET_IN_REASONS],
  ['portStatus', 'PORT_STATUS', ['add', 'delete', 'modify']],
  ['flowRemoved', 'FLOW_REMOVED', FLOW_REMOVED_REASONS],
  [
    'roleStatus',
    'ROLE_STATUS',
    ['primary_request', 'configuration_changed', 'experimenter_data_changed'],
  ],
  ['tableStatus', 'TABLE_STATUS', [undefined, undefined, undefined, 'vacancy_down', 'vacancy_up']],
  ['requestForward', 'REQUESTFORWARD', ['group_mod_request', 'meter_mod_request']],
];

export function printAsyncConfig(config: AsyncConfig): string {
  let out = '';
  for (const [i, title] of ['primary', 'secondary'].entries()) {
    out += `\n ${title}:\n`;
    for (const [kind, name, reasons] of KINDS) {
      const mask = config[kind][i]!;
      const names = reasons.filter((reason, bit) => reason && (mask & (1 << bit)) !== 0);
      out += `${name.padStart(16)}: ${names.length === 0 ? '(off)' : names.join(' ')}\n`;
    }
  }
  return out;
}
