import type { TunnelVportType, VportType } from './dpif.ts';

export const TUNNEL_VPORT_TYPES: readonly TunnelVportType[] = [
  'vxlan',
  'geneve',
  'gre',
  'erspan',
  'gre-l3',
];

export function isTunnelVport(type: VportType): type is TunnelVportType {
  return (TUNNEL_VPORT_TYPES as readonly string[]).includes(type);
}
