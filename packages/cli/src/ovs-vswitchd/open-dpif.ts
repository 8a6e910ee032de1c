import type { Dpif } from '@heddle/datapath';
import { instanceId, openKernelDpif } from '@heddle/datapath/kernel/index';
import { openNetdevDpif } from '@heddle/datapath/netdev/open-netdev';
import { dirs, HeddleError } from '@heddle/runtime';

/** The engine for a bridge's `datapath_type`. */
export async function openDpif(type: string): Promise<Dpif> {
  if (type === 'system') return openKernelDpif({ instance: instanceId(dirs.rundir) });
  if (type === 'netdev') return openNetdevDpif({ instance: instanceId(dirs.rundir) });
  throw new HeddleError(`unknown datapath type '${type}'`);
}
