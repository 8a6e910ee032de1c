/** The switch within this process: the same sockets as a separate ovs-vswitchd. */
import { instanceId, openKernelDpif } from '@heddle/datapath/kernel/index';
import { coverage } from '@heddle/runtime/coverage';
import { unixctlPath } from '@heddle/runtime/daemon';
import { dirs } from '@heddle/runtime/dirs';
import { UnixctlServer } from '@heddle/runtime/unixctl-server';
import { Switch } from '@heddle/vswitch/switch';

export interface EmbeddedSwitch {
  /** Leaves traffic running, unless `cleanup`. */
  stop(cleanup: boolean): Promise<void>;
}

/** Resolves when the first configuration is in force. `exit` is called for `ovs-appctl exit`. */
export async function startSwitch(exit: (cleanup: boolean) => void): Promise<EmbeddedSwitch> {
  const ctl = new UnixctlServer('ovs-vswitchd');
  coverage.register(ctl);
  const vswitch = new Switch({
    remote: dirs.defaultRemote,
    openDpif: () => openKernelDpif({ instance: instanceId(dirs.rundir) }),
  });
  ctl.register('exit', '[--cleanup]', 0, 1, ([option]) => {
    setImmediate(() => exit(option === '--cleanup'));
    return '';
  });
  vswitch.start();
  await vswitch.ready;
  await ctl.listen(unixctlPath('ovs-vswitchd', undefined));
  return {
    async stop(cleanup) {
      await vswitch.stop(cleanup);
      ctl.close();
    },
  };
}
