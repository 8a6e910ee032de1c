/** What the log tells of OpenFlow connections at level DBG: each message, in the words of Open vSwitch. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Instance, isolate, run, Scope } from '@heddle/testing';

isolate();

const HWADDR = 'other_config:hwaddr=02:00:00:00:00:aa';
const COMMANDS = [
  ['-O', 'OpenFlow13', 'del-flows', 'br0'],
  ['-O', 'OpenFlow14', 'add-flow', 'br0', 'tcp,tp_dst=80,actions=resubmit(,1),output:1'],
  ['-O', 'OpenFlow15', 'dump-flows', '--no-stats', 'br0'],
  ['-O', 'OpenFlow12,OpenFlow13', 'add-group', 'br0', 'group_id=1,type=select,bucket=output:1'],
  ['-O', 'OpenFlow13', 'add-group', 'br0', 'group_id=1,type=all'],
  ['-O', 'OpenFlow11', 'dump-group-stats', 'br0'],
];

/** The module's lines and what belongs to them, without times, places, xids of hellos and what each run counts. */
function linesOf(text: string, directory: string): string[] {
  const lines: string[] = [];
  let isOurs = false;
  for (const line of text.split('\n')) {
    const said = /^\S+Z\|\d+\|([^|]+)\|(.*)$/.exec(line);
    // How many tables go into a message of their features is each program's own.
    if (said) isOurs = said[1] === 'vconn' && !line.includes('TABLE_FEATURES reply');
    if (isOurs) lines.push(said ? said[2]! : line);
  }
  return lines
    .join('\n')
    .replaceAll(directory, 'DIR')
    .replaceAll(/unix#\d+/g, 'PEER')
    .replaceAll(/duration=[\d.]+s/g, 'duration=N')
    .replaceAll(/idle_age=\d+/g, 'idle_age=N')
    .replaceAll(/(OFPT_HELLO.*xid=)0x\w+/g, '$1N')
    .split('\n');
}

async function session(instance: Instance, client: string): Promise<string[]> {
  const set = ['--', 'set', 'bridge', 'br0', 'fail_mode=secure', HWADDR];
  await instance.vsctl('add-br', 'br0', ...set);
  await instance.appctl('vlog/set', 'vconn:file:dbg');
  const told: string[] = [];
  for (const command of COMMANDS) {
    const argv = instance.host.argv(client, '-vvconn:console:dbg', ...command);
    const { stderr } = await run(argv, { env: instance.env });
    told.push(`# ${command.join(' ')}`, ...linesOf(stderr, instance.directory));
  }
  return [...told, '# switch', ...linesOf(instance.log('ovs-vswitchd'), instance.directory)];
}

test('connections are told of in the log alike', async () => {
  await using scope = new Scope();
  const options = { switchArgs: ['--enable-dummy=override'] };
  const ours = await Instance.ours(scope, options);
  const theirs = await Instance.oracle(scope, options);
  const mine = await session(ours, 'ovs-ofctl');
  assert.deepEqual(mine, await session(theirs, '/usr/bin/ovs-ofctl'));
  assert.ok(mine.some((line) => line.includes('sent (Success): OFPT_FLOW_MOD')));
});
