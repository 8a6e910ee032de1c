/** What both switches answer the distribution's ovs-ofctl and ovs-appctl, on dummy ports. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isolate, run, Scope } from '@heddle/testing';
import { DummySwitch } from '../dummy-switch.ts';

isolate();

const VERSIONS = ['10', '11', '12', '13', '14', '15'].map((minor) => `OpenFlow${minor}`);

/** Commands of ovs-ofctl, in this order. */
const COMMANDS = [
  ...VERSIONS.flatMap((version) => [
    `-O ${version} queue-get-config br0 1 3`,
    `-O ${version} queue-get-config br0 1`,
    `-O ${version} queue-stats br0 1 3`,
    `-O ${version} queue-stats br0 77 3`,
  ]),
  '-O OpenFlow13 add-group br0 group_id=1,type=all,bucket=output:1',
  '-O OpenFlow13 add-group br0 group_id=2,type=all,bucket=group:1',
  // Each time that a flow names a group counts.
  '-O OpenFlow13 add-flow br0 in_port=1,actions=group:1,group:1,clone(group:1)',
  '-O OpenFlow13 add-flow br0 in_port=2,actions=write_actions(group:2,output:1,group:2,group:1)',
  '-O OpenFlow13 dump-group-stats br0 1',
  '-O OpenFlow13 dump-group-stats br0 2',
  // Packets that recirculate are none of these.
  'add-flow br0 recirc_id=0,in_port=3,actions=drop',
  'add-flow br0 recirc_id=5,in_port=3,actions=drop',
  '--sort=in_port dump-flows br0',
];

const TRACES = ['trk,new', 'trk new', 'trk|new', 'trk+new', ',trk', 'new'].map((states) => [
  '--ct-next',
  states,
  'br0',
  'in_port=1,ip',
]);

test('commands have the same answers', async () => {
  await using scope = new Scope();
  const pair = await DummySwitch.pair(scope);
  const answers = await Promise.all(
    pair.map(async (which) => {
      const { instance } = which;
      const protocols = `protocols=${VERSIONS.join(',')}`;
      await which.setUp('br0', ['p1', 'p2'], ['--', 'set', 'Bridge', 'br0', protocols]);
      const said: string[] = [];
      for (const line of COMMANDS) {
        const words = instance.host.argv('/usr/bin/ovs-ofctl', ...line.split(' '));
        const { stdout, stderr, code } = await run(words, { env: instance.env });
        const text = `${stdout}${stderr}`.replaceAll(/duration=[\d.]+s/g, 'duration');
        said.push(`${line}: ${code}\n${text.replaceAll(/^20\S+\|.*\n/gm, '')}`);
      }
      for (const words of TRACES) {
        const { result, error } = await which.ask('ofproto/trace', ...words);
        said.push(`${words.join(' ')}\n${result}${error}`);
      }
      return said;
    }),
  );
  assert.deepEqual(answers[0], answers[1]);
});
