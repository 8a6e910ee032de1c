import type { Dpif } from '@heddle/datapath';
import { instanceId, openKernelDpif } from '@heddle/datapath/kernel/index';
import { openNetdevDpif } from '@heddle/datapath/netdev/open-netdev';
import { dirs, HeddleError, SystemError } from '@heddle/runtime';

/** The engine for a bridge's `datapath_type`; `name` is of a datapath by hand. */
export async function openDpif(type: string, name?: string): Promise<Dpif> {
  const instance = instanceId(dirs.rundir);
  if (type === 'netdev') return openNetdevDpif({ instance, name: name ?? 'ovs-netdev' });
  if (type !== 'system') throw new SystemError('EAFNOSUPPORT', type);
  if (name === undefined) return openKernelDpif({ instance });
  throw new HeddleError(
    'the switch has one datapath in the kernel, which it makes itself (add a bridge with ovs-vsctl)',
  );
}
