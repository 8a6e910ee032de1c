/** Interface and AutoAttach rows as settings (ovs-vswitchd.conf.db(5), "AutoAttach"). */
import { OVS_VERSION } from '@heddle/runtime';
import type { LldpSettings } from './lldp.ts';

export interface AutoAttachRow {
  readonly system_name: string;
  readonly mappings: ReadonlyMap<number, number>;
}

/** undefined: it is not wanted. */
export function lldpSettings(
  lldp: ReadonlyMap<string, string>,
  autoAttach: AutoAttachRow | undefined,
): LldpSettings | undefined {
  if (lldp.get('enable') !== 'true') return undefined;
  return {
    systemName: autoAttach?.system_name ?? '',
    // As Open vSwitch, whatever `system_description` says.
    systemDescription: `openvswitch ${OVS_VERSION}`,
    mappings: autoAttach?.mappings ?? new Map(),
  };
}
