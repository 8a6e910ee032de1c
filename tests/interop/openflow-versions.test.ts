/**
 * Every version of OpenFlow on the wire: ovs-ofctl, the distribution's and ours, says of our switch
 * what the distribution's says of its own. HEDDLE_COUNT (6 at most) is in how many versions ours
 * asks each switch.
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { Instance, isolate, REPOSITORY, run, Scope } from '@heddle/testing';

isolate();

const VERSIONS = ['10', '11', '12', '13', '14', '15'].map((v) => `OpenFlow${v}`);
const COUNT = Number(process.env['HEDDLE_COUNT'] ?? 1);
const OURS_ON_THEIRS = ['15', '11', '10', '13', '12', '14'].map((v) => `OpenFlow${v}`);
const OURS_ON_OURS = ['11', '13', '15', '10', '14', '12'].map((v) => `OpenFlow${v}`);
const CLIENTS = { theirs: '/usr/bin/ovs-ofctl', ours: join(REPOSITORY, 'bin/ovs-ofctl') };
const PACKET =
  '50540000000a50540000000908004500001c0000000000110000c0a80001c0a800020008000900080000';

/** Every version has to answer each of them, if only to refuse it. They begin with no state. */
const COMMANDS = [
  'del-flows br0',
  'del-tlv-map br0',
  'add-flow br0 priority=5,ip,nw_src=10.0.0.0/8,actions=mod_dl_dst:00:00:00:00:00:05,1',
  'add-flow br0 priority=9,dl_vlan=5,cookie=0x7,idle_timeout=60,actions=strip_vlan,NORMAL',
  'add-flow br0 priority=7,tcp,tp_dst=80,actions=resubmit(,1)',
  'mod-flows br0 tcp,actions=resubmit(,2)',
  '--strict del-flows br0 priority=5,ip,nw_src=10.0.0.0/8',
  'add-flow br0 actions=output:99999',
  'add-tlv-map br0 {class=0xffff,type=0,len=4}->tun_metadata0',
  'add-tlv-map br0 {class=0xffff,type=0,len=8}->tun_metadata1',
  'dump-tlv-map br0',
  'add-flow br0 priority=3,tun_metadata0=5,actions=set_field:7->tun_metadata0,1',
  'add-flow br0 priority=4,actions=move:tun_metadata0[0..31]->reg0[],learn(table=3,tun_metadata0[0..31]=reg1[])',
  'add-flow br0 tun_metadata9=5,actions=1',
  'add-flow br0 table=3,priority=1,actions=LOCAL',
  'dump-flows br0 --no-stats',
  'dump-flows br0 table=9',
  'dump-aggregate br0',
  'show br0',
  'get-frags br0',
  'dump-ports-desc br0',
  'dump-tables br0',
  'dump-table-features br0',
  'queue-stats br0',
  'dump-ipfix-bridge br0',
  'dump-ipfix-flow br0',
  'mod-port br0 p1 no-flood',
  'mod-port br0 p1 flood',
  `packet-out br0 in_port=controller,packet=${PACKET},actions=2`,
  'dump-group-features br0',
  'add-group br0 group_id=1,type=all,bucket=output:1',
  'add-flow br0 priority=2,actions=group:1',
  'add-flow br0 priority=2,actions=group:9',
  'dump-groups br0',
  'del-groups br0 group_id=1',
  'meter-features br0',
  'add-meter br0 meter=1,kbps,band=type=drop,rate=1000',
  'add-meter br0 meter=1,kbps,band=type=drop,rate=1000',
  'dump-meters br0',
  'meter-stats br0',
  'del-meters br0',
  'mod-table br0 0 evict',
  'dump-table-desc br0',
  'mod-table br0 0 noevict',
  'del-flows br0',
];

/** Without what differs from run to run; flows are in no order. */
function comparable(text: string): string {
  return text
    .replaceAll(/xid=0x[0-9a-f]+/g, 'xid')
    .replaceAll(/dpid:[0-9a-f]+/g, 'dpid')
    .replaceAll(/addr:[0-9a-f:]+/g, 'addr')
    .replaceAll(/duration[=:][\d.]+s/g, 'duration')
    .replaceAll(/^\d{4}-\d\d-\d\dT.*\n/gm, '')
    .replaceAll(/(^ .*actions=.*\n)+/gm, (flows) => flows.split('\n').sort().join('\n'));
}

async function start(create: typeof Instance.ours, scope: Scope): Promise<Instance> {
  const switchArgs = ['--enable-dummy=override', '--disable-system'];
  const instance = await create(scope, { switchArgs });
  await instance.vsctl(
    ...['add-br', 'br0', '--', 'set', 'bridge', 'br0', 'fail_mode=secure'],
    ...['--', 'add-port', 'br0', 'p1', '--', 'set', 'interface', 'p1', 'ofport_request=1'],
  );
  return instance;
}

type Answers = Map<string, string>;

/** What the client said to each command, in each version. */
async function session(
  client: string,
  { directory }: Instance,
  versions: readonly string[],
): Promise<Answers> {
  const answers: Answers = new Map();
  const env = { OVS_RUNDIR: directory };
  for (const version of versions) {
    for (const [i, command] of COMMANDS.entries()) {
      const words = ['-O', version, ...command.split(' ')];
      const { stdout, stderr, code, signal } = await run([client, ...words], { env });
      const said = comparable(`${signal ?? code}\n${stdout}${stderr}`);
      answers.set(`${i}: ${words.join(' ')}`, said.replaceAll(directory, 'RUN'));
    }
  }
  return answers;
}

function assertSame(who: string, answers: Answers, expected: Answers): void {
  const differing = [...answers].filter(([words, answer]) => answer !== expected.get(words));
  const wanted = differing.map(([words]) => [words, expected.get(words)]);
  assert.deepEqual(differing, wanted, who);
}

test('ovs-ofctl in every version of OpenFlow', async () => {
  await using scope = new Scope();
  const [ours, theirs] = await Promise.all([
    start(Instance.ours, scope),
    start(Instance.oracle, scope),
  ]);
  const both = async (instance: Instance, versions: readonly string[]): Promise<Answers[]> => [
    await session(CLIENTS.theirs, instance, VERSIONS),
    await session(CLIENTS.ours, instance, versions.slice(0, COUNT)),
  ];
  const [[ofOurs, oursOfOurs], [expected, oursOfTheirs]] = (await Promise.all([
    both(ours, OURS_ON_OURS),
    both(theirs, OURS_ON_THEIRS),
  ])) as [[Answers, Answers], [Answers, Answers]];
  assertSame('our switch', ofOurs, expected);
  assertSame("our ovs-ofctl on the distribution's switch", oursOfTheirs, expected);
  assertSame('our ovs-ofctl on our switch', oursOfOurs, expected);
});
