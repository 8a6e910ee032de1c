/** qos/*: types of QoS and what is in force (ovs-vswitchd(8), "QoS COMMANDS"). */
import { UnixctlError, type UnixctlServer } from '@heddle/runtime';
import type { Iface } from '../iface.ts';
import { type DeviceQos, LINUX_QOS_TYPES, type QueueCounters } from '../qos/device-qos.ts';
import type { Settings } from '../qos/qos-config.ts';
import type { Switch } from '../switch.ts';

export function registerQos(server: UnixctlServer, sw: Switch): void {
  const ifaceOf = (name: string | undefined): Iface => {
    const iface = sw.ifaces().find((i) => i.name === name && i.isOpen);
    if (!iface) throw new UnixctlError('no such interface');
    return iface;
  };
  server.register('qos/show-types', 'interface', 1, 1, ([name]) => {
    const iface = ifaceOf(name);
    if (!sw.qos.of(iface)) return `No QoS types supported for interface: ${iface.name}\n`;
    return LINUX_QOS_TYPES.map((type) => `QoS type: ${type}\n`).join('');
  });
  server.register('qos/show', 'interface', 1, 1, ([name]) => {
    const iface = ifaceOf(name);
    const qos = sw.qos.of(iface);
    if (qos?.type === undefined) return `QoS not configured on ${iface.name}\n`;
    return `QoS: ${iface.name} ${qos.type}\n${lines(qos.details)}${queuesText(qos)}`;
  });
}

function lines(settings: Settings, indent = ''): string {
  return [...settings].map(([key, value]) => `${indent}${key}: ${value}\n`).join('');
}

function queuesText(qos: DeviceQos): string {
  const counters = new Map(qos.queueStats().map((q) => [q.queue, q]));
  let out = '';
  for (const [queue, settings] of qos.queues) {
    const title = queue === 0 ? 'Default' : `Queue ${queue}`;
    out += `\n${title}:\n${lines(settings, '  ')}${countersText(counters.get(queue))}`;
  }
  return out;
}

function countersText(counters: QueueCounters | undefined): string {
  if (!counters) return '';
  const { packets, bytes, drops } = counters.stats;
  return `  tx_packets: ${packets}\n  tx_bytes: ${bytes}\n  tx_errors: ${drops}\n`;
}
