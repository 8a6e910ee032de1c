import { type ComplianceProvider, dpifCompliance } from '../compliance.ts';
import { dpifRandomCompliance } from '../compliance-random.ts';
import type { OdpPort } from '../dpif.ts';
import { MemoryNetdev } from './netdev.ts';
import { UserspaceDpif } from './userspace-dpif.ts';

async function open(count: number): Promise<ComplianceProvider> {
  const devices = new Map<OdpPort, MemoryNetdev>();
  let opened: MemoryNetdev | undefined;
  const dpif = new UserspaceDpif({
    openNetdev: (name) => {
      opened = new MemoryNetdev(name);
      return opened;
    },
  });
  for (let i = 1; i <= count; i++) {
    const port = await dpif.portAdd(`p${i}`, 'system');
    devices.set(port, opened!);
  }
  return {
    dpif,
    ports: [...devices.keys()],
    send: (port, frame) => devices.get(port)!.receive(frame),
    received: (port) => devices.get(port)!.transmitted.splice(0),
    settle: () => new Promise((resolve) => setImmediate(() => setImmediate(resolve))),
    close: () => dpif.destroy(),
  };
}

dpifCompliance('userspace', open);
dpifRandomCompliance('userspace', open);
