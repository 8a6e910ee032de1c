/** Two hosts on ports 1 and 2 of a secure bridge that knows nothing but `flows`. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Host, Instance, type Scope } from '@heddle/testing';

export async function twoHosts(scope: Scope, flows: readonly string[]) {
  const instance = await Instance.ours(scope);
  await instance.vsctl('add-br', 'br0', '--', 'set-fail-mode', 'br0', 'secure');
  const hosts: Host[] = [];
  for (const i of [1, 2]) {
    const host = await Host.create(scope);
    await host.veth(scope, 'eth0', `p${i}`, instance.host);
    await host.address('eth0', `10.0.0.${i}/24`);
    await host.address('eth0', `fd00::${i}/64`);
    const set = ['set', 'interface', `p${i}`, `ofport_request=${i}`];
    await instance.vsctl('add-port', 'br0', `p${i}`, '--', ...set);
    hosts.push(host);
  }
  const file = join(instance.directory, 'flows');
  writeFileSync(file, `${flows.join('\n')}\n`);
  const setUp = () => instance.exec('ovs-ofctl', '-O', 'OpenFlow14', 'add-flows', 'br0', file);
  await setUp();
  const [client, server] = hosts as [Host, Host];
  return { instance, client, server, setUp };
}
