/** Commands whose reader goes: `ovs-vsctl list Interface | head -1`. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { test } from 'node:test';
import { REPOSITORY } from '@heddle/testing';

const BIN = join(REPOSITORY, 'bin');
const COMMANDS = [
  ['heddle', '--help'],
  ['ovs-appctl', '--help'],
  ['ovs-docker', '--help'],
  ['ovs-dpctl', '--help'],
  ['ovs-ofctl', 'list-commands'],
  ['ovs-ofctl', '--help'],
  ['ovs-pcap', '--help'],
  ['ovs-pki', '--help'],
  ['ovs-tcpdump', '--help'],
  ['ovs-tcpundump', '--help'],
  ['ovs-testcontroller', '--help'],
  ['ovs-vsctl', '--help'],
  ['ovs-vswitchd', '--help'],
  ['ovsdb-client', '--help'],
  ['ovsdb-server', '--help'],
  ['ovsdb-tool', '--help'],
  ['pipework', '--help'],
] as const;

/** How a command ends whose standard output, or error, is a pipe that nobody reads any more. */
async function unread(stream: 1 | 2, argv: readonly string[]): Promise<readonly unknown[]> {
  const script = `exec ${stream}> >(exit 0); wait $!; exec "$@"`;
  const child = spawn('bash', ['-c', script, 'bash', ...argv], {
    stdio: 'ignore',
    timeout: 20_000,
    killSignal: 'SIGKILL',
  });
  return once(child, 'exit');
}

for (const [name, ...args] of COMMANDS) {
  test(`${name} ${args.join(' ')} ends when nobody reads`, async () => {
    assert.deepEqual(await unread(1, [join(BIN, name), ...args]), [null, 'SIGPIPE']);
  });
}

test('what nobody reads of standard error changes nothing', async () => {
  const argv = [join(BIN, 'ovs-vsctl'), 'no-such-command'];
  assert.deepEqual(await unread(2, argv), [1, null]);
});
