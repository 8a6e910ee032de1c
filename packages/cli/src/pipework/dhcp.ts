/** An address by DHCP for an interface in another namespace, with the host's DHCP client. */
import { execFile } from 'node:child_process';
import { openNetns } from '@heddle/linux/netns';
import { Rtnl } from '@heddle/linux/rtnetlink/rtnl';
import { AttachError } from '../attach/errors.ts';

/** Commands by what pipework's users write; `dhcp` takes whichever is installed. */
const CLIENTS: Readonly<Record<string, (device: string) => string[]>> = {
  udhcpc: (device) => ['udhcpc', '-n', '-q', '-f', '-i', device],
  dhclient: (device) => ['dhclient', '-1', '-pf', `/run/dhclient-${device}.pid`, device],
  dhcpcd: (device) => ['dhcpcd', '-q', '-1', device],
  busybox: (device) => ['busybox', 'udhcpc', '-n', '-q', '-f', '-i', device],
};

export const DHCP_CLIENTS: ReadonlySet<string> = new Set(['dhcp', ...Object.keys(CLIENTS)]);

const TIMEOUT_MS = 60_000;

export async function runDhcp(client: string, netns: string, device: string): Promise<void> {
  const wanted = client === 'dhcp' ? Object.keys(CLIENTS) : [client];
  for (const name of wanted) {
    const outcome = await run(['nsenter', `--net=${netns}`, '--', ...CLIENTS[name]!(device)]);
    if (outcome === 'done') return checkAddress(name, netns, device);
    if (outcome !== 'absent') throw new AttachError(`${name}: ${outcome}`);
  }
  throw new AttachError(
    `no DHCP client here (${wanted.join(', ')}): install one, or give IP/LEN instead of ${client}`,
  );
}

/** A client whose script is missing takes a lease and leaves the interface as it was. */
function checkAddress(client: string, netns: string, device: string): void {
  using target = openNetns({ path: netns });
  using inside = new Rtnl(target);
  const link = inside.link(device);
  const AF_INET = 2;
  if (link && inside.addresses(link.index).some(({ family }) => family === AF_INET)) return;
  throw new AttachError(`${client} gave ${device} no address`);
}

function run(argv: readonly string[]): Promise<string> {
  const [file, ...args] = argv as [string, ...string[]];
  return new Promise((resolve) => {
    execFile(file, args, { timeout: TIMEOUT_MS }, (error, stdout, stderr) => {
      if (error === null) resolve('done');
      // nsenter's status for a command that is not there.
      else if (error.code === 127 || /applet not found|No such file/.test(stderr)) {
        resolve('absent');
      } else resolve((stderr || stdout || error.message).trim().split('\n').at(-1) ?? 'failed');
    });
  });
}
