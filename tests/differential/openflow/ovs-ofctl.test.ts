/** The same commands of both ovs-ofctl on two switches of the distribution: the same words, the same end. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Instance, isolate, REPOSITORY, run, Scope } from '@heddle/testing';

isolate();

const OURS = join(REPOSITORY, 'bin/ovs-ofctl');
const THEIRS = '/usr/bin/ovs-ofctl';
const COMMANDS = readFileSync(join(import.meta.dirname, 'commands.txt'), 'utf8');

const scope = new Scope();
let theirs: Instance;
let ours: Instance;

before(async () => {
  [theirs, ours] = await Promise.all([world(), world()]);
});
after(() => scope[Symbol.asyncDispose]());

/** A dummy bridge with two ports. */
async function world(): Promise<Instance> {
  const instance = await Instance.oracle(scope, { switchArgs: ['--enable-dummy=override'] });
  const versions = [0, 1, 2, 3, 4, 5].map((minor) => `OpenFlow1${minor}`).join(',');
  const settings = ['datapath_type=dummy', 'other_config:hwaddr=aa:55:aa:55:00:00'];
  await instance.vsctl('add-br', 'br0', '--', 'set', 'bridge', 'br0', ...settings);
  await instance.vsctl('set', 'bridge', 'br0', `protocols=${versions}`);
  for (const [i, port] of ['p1', 'p2'].entries()) {
    const columns = ['type=dummy', `ofport_request=${i + 1}`];
    await instance.vsctl('add-port', 'br0', port, '--', 'set', 'interface', port, ...columns);
  }
  return instance;
}

/** Without what the clock and the place of the sockets decide; of the log nothing. */
function normalize(text: string): string {
  return text
    .replaceAll(/^20\S+\|\d+\|.*\n([0-9a-f]{8} {2}.*\n)*/gm, '')
    .replaceAll(/\/\S+\/(?=br0\.mgmt)/g, '')
    .replaceAll(/(duration|hard_age|idle_age|time)(\S*[=:])[0-9.]+/g, '$1$2X')
    .replaceAll(/ hard_age=X,/g, '');
}

test('a packet as a file of tcpdump', () => {
  const compose = (program: string): Buffer => {
    const file = execFileSync(program, [
      '--pcap',
      'compose-packet',
      'tcp,tp_dst=80,nw_src=1.2.3.4',
    ]);
    // When it was made.
    return file.fill(0, 24, 32);
  };
  assert.deepEqual(compose(OURS), compose(THEIRS));
});

/** What is wrong with them is told in the log, beside the error or alone. */
const LOGGED = [
  'in_port=65280,actions=drop',
  'in_port=65534,actions=drop',
  'in_port=65536,actions=drop',
  'in_port=-1,actions=drop',
  'table=256,actions=drop',
  'table=-1,actions=drop',
  'actions=mod_nw_src:1.2.3.4/8',
  'actions=set_field:1.2.3.4->nw_src',
  'actions=set_field:5->vlan_vid',
  'actions=clone(set_field:1->tcp_src)',
  'actions=push:nw_src',
  'actions=pop:nw_src',
  'actions=move:reg0[0..15]->eth_type',
  'actions=learn(table=1,tcp_dst=tcp_src)',
  'actions=learn(table=1,load:1->nw_src)',
  'actions=learn(table=1,arp_spa=1.2.3.4)',
];

test('the log tells the same of flows that cannot be', async () => {
  for (const flow of LOGGED) {
    const [want, got] = await Promise.all(
      [THEIRS, OURS].map((program) => run([program, 'parse-flow', flow])),
    );
    const untimed = (text: string) => text.replaceAll(/^20\S+?(?=\|)/gm, '');
    assert.match(want!.stderr, /\|(WARN|ERR)\|/, flow);
    assert.equal(untimed(got!.stderr), untimed(want!.stderr), flow);
    assert.equal(got!.code, want!.code, flow);
  }
});

/** Of switches, or of what they are sent. */
const LOGGED_COMMANDS = [
  '--ssl-protocols=SSLv3 parse-flow actions=1',
  '--ssl-protocols=TLSv1.2,foo parse-flow actions=1',
  '--ssl-protocols= parse-flow actions=1',
  '--ssl-ciphers=foo parse-flow actions=1',
  '--ssl-ciphers= parse-flow actions=1',
  '-O OpenFlow13 mod-table br0 300 continue',
  'add-tlv-map br0 {class=0xffff,type=0,len=5}->tun_metadata0',
  'add-tlv-map br0 {class=0xffff,type=0,len=4}->tun_metadata64',
  '-O OpenFlow15 add-group br0 group_id=5,type=select,selection_method=foo,bucket=actions=1',
];

test('the log tells the same of what commands send', async () => {
  for (const line of LOGGED_COMMANDS) {
    const [want, got] = await Promise.all([
      run([THEIRS, ...line.split(' ')], { env: theirs.env }),
      run([OURS, ...line.split(' ')], { env: ours.env }),
    ]);
    const untimed = (text: string) => text.replaceAll(/^20\S+?(?=\|)/gm, '');
    assert.match(want.stderr, /\|(WARN|ERR)\|/, line);
    assert.equal(untimed(got.stderr), untimed(want.stderr), line);
    assert.equal(got.code, want.code, line);
  }
});

/** Words behind what is no hexadecimal: which is told of. */
const USERDATA = [
  'controller(userdata=01.02.0 a.ff.07)',
  'controller(userdata=1,id=x)',
  'controller(userdata=1,userdata=02)',
  'controller(userdata=02,userdata=1)',
  'controller(userdata=02,userdata=)',
];

test('what is wrong with the words of a controller action', async () => {
  for (const action of USERDATA) {
    const [want, got] = await Promise.all(
      [THEIRS, OURS].map((program) => run([program, 'parse-flow', `actions=${action}`])),
    );
    assert.deepEqual(got, want, action);
  }
});

test('each command says the same', async () => {
  for (const line of COMMANDS.trim().split('\n')) {
    const args = line.split(' ');
    const [want, got] = await Promise.all([
      run([THEIRS, ...args], { env: theirs.env }),
      run([OURS, ...args], { env: ours.env }),
    ]);
    assert.equal(normalize(got.stdout), normalize(want.stdout), line);
    assert.equal(normalize(got.stderr), normalize(want.stderr), line);
    assert.equal(got.code, want.code, line);
  }
});
