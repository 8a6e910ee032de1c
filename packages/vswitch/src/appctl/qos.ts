/** qos/*: there are no queues yet, on any interface (ovs-vswitchd(8), "QoS COMMANDS"). */
import { UnixctlError, type UnixctlServer } from '@heddle/runtime';
import type { Switch } from '../switch.ts';

export function registerQos(server: UnixctlServer, sw: Switch): void {
  const checked = (name: string | undefined): string => {
    const known = sw.ifaces().some((iface) => iface.name === name && iface.isOpen);
    if (name === undefined || !known) throw new UnixctlError('no such interface');
    return name;
  };
  server.register('qos/show-types', 'interface', 1, 1, ([name]) => {
    return `No QoS types supported for interface: ${checked(name)}\n`;
  });
  server.register('qos/show', 'interface', 1, 1, ([name]) => {
    return `QoS not configured on ${checked(name)}\n`;
  });
}
