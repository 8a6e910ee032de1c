/** Which ports are up: bonds, groups and spanning trees go by it. */
import type { Devices } from './devices/devices.ts';
import { DUMMY_KIND } from './devices/dummy-devices.ts';
import type { Iface } from './iface.ts';

/** ofp_port_config. */
const OFPPC_PORT_DOWN = 1 << 0;

/** Brings an interface's port in line with its device; whether anything changed. */
export function updateLinkState(iface: Iface, devices: Devices): boolean {
  if (!iface.port || iface.type === 'patch' || iface.port.tunnel) return false;
  const device = devices.device(iface.name);
  // A device in another namespace is not ours to judge: its own end says whether it takes packets.
  const isOthers = iface.type === 'internal' && device?.kind !== DUMMY_KIND;
  const up = device === undefined || isOthers || device.up;
  const isLinkUp = device === undefined || device.carrier;
  if (device && device.kind !== DUMMY_KIND) iface.sawLink(isLinkUp);
  const { port } = iface;
  // Whoever set it up, it is no longer down.
  if (device?.up) port.config &= ~OFPPC_PORT_DOWN;
  if (port.mayEnable === up && port.isLinkUp === isLinkUp) return false;
  port.isLinkUp = isLinkUp;
  port.mayEnable = up;
  return true;
}
