/** Where a switch has its datapaths and devices: in the kernel, or (`--enable-dummy`) nowhere. */
import { join } from 'node:path';
import { type Dpif, DummyNetdevs } from '@heddle/datapath';
import { enableDebugActions } from '@heddle/openflow';
import { dirs, HeddleError, WarpClock } from '@heddle/runtime';
import type { SwitchOptions } from '@heddle/vswitch';
import { openDpif } from './open-dpif.ts';

/** `''`: dummies beside what there is; `override`: of every type; `system`: of `system` only. */
export type DummyLevel = '' | 'override' | 'system';

type Platform = Pick<
  SwitchOptions,
  'openDpif' | 'datapathTypes' | 'ifaceTypes' | 'clock' | 'dummy' | 'carryOverPath'
>;

const IFACE_TYPES = ['erspan', 'geneve', 'gre', 'internal', 'patch', 'system', 'tap', 'vxlan'];
const DUMMY_TYPES = ['dummy', 'dummy-internal', 'dummy-pmd'];

export function kernelPlatform(): Platform {
  return {
    openDpif,
    datapathTypes: ['netdev', 'system'],
    ifaceTypes: IFACE_TYPES,
    carryOverPath: join(dirs.rundir, 'ovs-vswitchd.state'),
  };
}

export function dummyLevel(value: string | undefined): DummyLevel {
  if (value === undefined || value === '') return '';
  if (value === 'override' || value === 'system') return value;
  throw new HeddleError(`--enable-dummy: unknown level '${value}' (use 'override' or 'system')`);
}

export function dummyPlatform(level: DummyLevel): Platform & { readonly clock: WarpClock } {
  enableDebugActions();
  const clock = new WarpClock();
  const override = level === 'override';
  const netdevs = new DummyNetdevs({ clock, override });
  const open = async (type: string, name?: string): Promise<Dpif> => {
    if (type === 'dummy') return netdevs.openDpif('dummy', name);
    if (type === 'system' && level !== '') return netdevs.openDpif('system', name);
    if (type === 'netdev' && override) return netdevs.openDpif('netdev', name);
    return openDpif(type, name);
  };
  return {
    openDpif: open,
    datapathTypes: ['dummy', 'netdev', 'system'],
    ifaceTypes: [...DUMMY_TYPES, ...IFACE_TYPES],
    clock,
    dummy: { netdevs, override },
  };
}
