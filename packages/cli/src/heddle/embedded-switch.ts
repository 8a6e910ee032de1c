/** The switch within this process: the same sockets as a separate ovs-vswitchd. */
import { unixctlPath } from '@heddle/runtime/daemon';
import { dirs } from '@heddle/runtime/dirs';
import { UnixctlServer } from '@heddle/runtime/unixctl-server';
import { registerSwitchCommands, Switch } from '@heddle/vswitch';
import { kernelPlatform } from '../ovs-vswitchd/platform.ts';

export interface EmbeddedSwitch {
  /** Leaves traffic running, unless `cleanup`. */
  stop(cleanup: boolean): Promise<void>;
}

/** Resolves when the first configuration is in force. `exit` is called for `ovs-appctl exit`. */
export async function startSwitch(exit: (cleanup: boolean) => void): Promise<EmbeddedSwitch> {
  const ctl = new UnixctlServer('ovs-vswitchd');
  const vswitch = new Switch({ remote: dirs.defaultRemote, ...kernelPlatform() });
  registerSwitchCommands(ctl, vswitch);
  ctl.register('exit', '[--cleanup]', 0, 1, ([option]) => {
    setImmediate(() => exit(option === '--cleanup'));
    return '';
  });
  await ctl.listen(unixctlPath('ovs-vswitchd', undefined));
  vswitch.start();
  await vswitch.ready;
  return {
    async stop(cleanup) {
      await vswitch.stop(cleanup);
      ctl.close();
    },
  };
}
