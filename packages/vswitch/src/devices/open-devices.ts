import type { DummyNetdevs } from '@heddle/datapath';
import { type DeviceEvent, type Devices, KernelDevices } from './devices.ts';
import { DummyDevices } from './dummy-devices.ts';

/** The kernel's devices, dummies, or both: dummies first. */
export function openDevices(
  dummy: { readonly netdevs: DummyNetdevs; readonly override: boolean } | undefined,
  listener: (events: readonly DeviceEvent[]) => void,
): Devices {
  if (!dummy) return new KernelDevices(listener);
  const others = dummy.override ? undefined : new KernelDevices(listener);
  return new DummyDevices(dummy.netdevs, others, listener);
}
