/**
 * Sessions of ovs-ofctl that last: monitors in the background, snooping, TLS. Each client, ours and
 * the distribution's, speaks to each switch; what they print must be the same.
 */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { eventually, Instance, isolate, REPOSITORY, Scope } from '@heddle/testing';

isolate();

const CLIENTS = ['/usr/bin', join(REPOSITORY, 'bin')];

/** Both switches with a bridge br0 of two dummy ports. */
async function switches(scope: Scope): Promise<Instance[]> {
  const options = { switchArgs: ['--enable-dummy=override', '--disable-system'] };
  const both = [await Instance.ours(scope, options), await Instance.oracle(scope, options)];
  for (const instance of both) {
    await instance.vsctl('add-br', 'br0', '--', 'set', 'bridge', 'br0', 'datapath_type=dummy');
    for (const n of [1, 2]) {
      const set = ['set', 'interface', `p${n}`, 'type=dummy', `ofport_request=${n}`];
      await instance.vsctl('add-port', 'br0', `p${n}`, '--', ...set);
    }
    await instance.vsctl('set', 'bridge', 'br0', 'fail_mode=secure');
  }
  return both;
}

const PACKET =
  '50540000000a50540000000908004500001c0000000000110000c0a80001c0a800020008000900080000';

interface Monitor {
  /** What it has printed, without what differs from run to run. */
  readonly text: () => string;
  /** What it said before it went into the background. */
  readonly before: string;
  readonly tell: (...words: string[]) => Promise<string>;
}

/** `ovs-ofctl monitor`, or so, in the background. */
async function inBackground(
  instance: Instance,
  client: string,
  name: string,
  words: readonly string[],
): Promise<Monitor> {
  const file = join(instance.directory, `${name}.out`);
  const pidfile = join(instance.directory, `${name}.pid`);
  const options = `--detach --no-chdir --pidfile=${pidfile} --unixctl=${name}.ctl`;
  const command = `exec ${client}/ovs-ofctl ${options} ${words.join(' ')} 2>${file}`;
  const before = await instance.exec('sh', '-ec', command);
  const socket = join(instance.directory, `${name}.ctl`);
  return {
    before: before.replace(/ \(xid=\w+\)/g, ''),
    text: () => readFileSync(file, 'utf8').replace(/ \(xid=\w+\)|(?<= addr:)\S+/g, ''),
    tell: (...w) => instance.exec('ovs-appctl', '--timeout=10', '-t', socket, ...w),
  };
}

/** What `session` gives for each client, all the same for one switch, and for both. */
async function alike(
  instances: readonly Instance[],
  session: (instance: Instance, client: string, name: string) => Promise<string>,
): Promise<string> {
  const texts: [string, string][] = [];
  for (const [s, instance] of instances.entries()) {
    for (const [c, client] of CLIENTS.entries()) {
      const who = `client ${client}, switch ${instance.kind.name}`;
      texts.push([who, await session(instance, client, `s${s}c${c}n${texts.length}`)]);
    }
  }
  const [first] = texts;
  for (const [who, text] of texts) assert.equal(text, first![1], `${who}; and ${first![0]}`);
  return first![1];
}

test('monitor --detach: packet-ins, flow changes, port changes, commands over its socket', async () => {
  await using scope = new Scope();
  const both = await switches(scope);
  const text = await alike(both, async (instance, client, name) => {
    const ofctl = (...w: string[]) => instance.exec(`${client}/ovs-ofctl`, ...w);
    const monitor = await inBackground(instance, client, name, [
      'monitor',
      'br0',
      '65534',
      'watch:',
    ]);
    await ofctl(
      'add-flow',
      'br0',
      'cookie=0x5,in_port=1,actions=controller(reason=action,max_len=20)',
    );
    await ofctl('mod-flows', 'br0', 'cookie=0x5/-1,actions=2');
    await ofctl('packet-out', 'br0', `in_port=1 packet=${PACKET} actions=controller`);
    await ofctl('mod-port', 'br0', 'p2', 'no-flood');
    await ofctl('mod-port', 'br0', 'p2', 'flood');
    await monitor.tell('ofctl/barrier');
    const second = join(instance.directory, `${name}.more`);
    await monitor.tell('ofctl/set-output-file', second);
    await ofctl('del-flows', 'br0');
    await monitor.tell('ofctl/send', '0103000800000001');
    await monitor.tell('ofctl/barrier');
    await monitor.tell('exit');
    const more = readFileSync(second, 'utf8');
    return `${monitor.text()}---\n${more.replace(/ \(xid=\w+\)/g, '')}`;
  });
  assert.match(text, /event=ADDED table=0 cookie=0x5 in_port=1/);
  assert.match(text, /NXT_PACKET_IN2|OFPT_PACKET_IN/);
});

test('flow monitors of each version tell of flows that are there', async () => {
  await using scope = new Scope();
  const both = await switches(scope);
  for (const version of ['OpenFlow10', 'OpenFlow13', 'OpenFlow14', 'OpenFlow15']) {
    const text = await alike(both, async (instance, client, name) => {
      await instance.exec('ovs-ofctl', 'add-flow', 'br0', 'cookie=0x5,in_port=1,actions=2');
      const words = ['-O', version, 'monitor', 'br0', '64', 'watch:'];
      const monitor = await inBackground(instance, client, `${version}${name}`, words);
      await monitor.tell('exit');
      return monitor.before;
    });
    assert.match(text, /event=(ADDED|INITIAL) table=0 cookie=0x5/);
  }
});

test('who watches a port hears of flows that turn to it and away, and of their end before their counts', async () => {
  await using scope = new Scope();
  const both = await switches(scope);
  const text = await alike(both, async (instance, client, name) => {
    const ofctl = (...w: string[]) =>
      instance.exec(`${client}/ovs-ofctl`, '-O', 'OpenFlow10', ...w);
    const words = ['-O', 'OpenFlow10', 'monitor', 'br0', '64', 'watch:out_port=2'];
    const monitor = await inBackground(instance, client, name, words);
    const actions = ['1', '2', '1', 'enqueue(2,0)', 'drop', 'clone(2)', 'drop'];
    for (const act of actions) await ofctl('mod-flows', 'br0', `in_port=1,actions=${act}`);
    for (const act of ['2', '1', '2'])
      await ofctl('add-flow', 'br0', `send_flow_rem,in_port=1,actions=${act}`);
    await ofctl('del-flows', 'br0');
    await monitor.tell('ofctl/barrier');
    await monitor.tell('exit');
    return monitor.text().replace(/duration\S*/g, '');
  });
  assert.match(text, /MODIFIED.*\n.*\n event=MODIFIED[^\n]*output:1\n/);
  assert.match(text, /event=DELETED(.|\n)*FLOW_REMOVED/);
});

test('a packet carries what a controller says of its tunnel; paused ones go on by resume', async () => {
  await using scope = new Scope();
  const both = await switches(scope);
  const text = await alike(both, async (instance, client, name) => {
    const version = ['-O', 'OpenFlow15'];
    const ofctl = (...w: string[]) => instance.exec(`${client}/ovs-ofctl`, ...version, ...w);
    const map = '{class=0xffff,type=0,len=4}->tun_metadata0';
    await ofctl('add-tlv-map', 'br0', map);
    await ofctl('add-flow', 'br0', 'tun_id=9,actions=push:NXM_NX_REG3[],controller(pause),2');
    const words = [...version, 'monitor', 'br0', 'resume', '-P', 'nxt_packet_in2'];
    const monitor = await inBackground(instance, client, name, words);
    for (const said of ['tun_id=9', 'tun_src=192.0.2.1,tun_metadata0=5', 'tun_metadata7=1']) {
      const packet = `in_port=1,${said},packet=${PACKET}`;
      await ofctl('packet-out', 'br0', `${packet} actions=controller`);
      await ofctl('packet-out', 'br0', `${packet} actions=table`);
    }
    const refused: string[] = [];
    for (const said of ['in_port=ALL', 'in_port=1,tun_tos=3', 'in_port=1,tun_ttl=3']) {
      const words = ['packet-out', 'br0', `${said},packet=${PACKET} actions=2`];
      const { stderr } = await instance.run(`${client}/ovs-ofctl`, ...version, ...words);
      refused.push(stderr);
    }
    await monitor.tell('ofctl/barrier');
    await monitor.tell('exit');
    await ofctl('del-flows', 'br0');
    await ofctl('del-tlv-map', 'br0');
    return `${monitor.text()}${refused.join('')}`.replace(/bridge=\S+/g, '');
  });
  assert.match(text, /tun_id=0x9.*\n/);
  assert.match(text, /tun_src=192.0.2.1,tun_metadata0=0x5/);
  assert.match(text, /send: NXT_RESUME/);
});

test('mod-table of all tables leaves the rest of what each has been told', async () => {
  await using scope = new Scope();
  const both = await switches(scope);
  const text = await alike(both, async (instance, client) => {
    const ofctl = (...w: string[]) =>
      instance.exec(`${client}/ovs-ofctl`, '-O', 'OpenFlow14', ...w);
    const shown = async () => (await ofctl('dump-table-desc', 'br0')).split('\n', 12).join('\n');
    await ofctl('mod-table', 'br0', '1', 'vacancy:10,20');
    await ofctl('mod-table', 'br0', 'ALL', 'evict');
    const evicting = await shown();
    await ofctl('mod-table', 'br0', 'ALL', 'noevict');
    return `${evicting}\n${await shown()}`.replace(/ \(xid=\w+\)/g, '');
  });
  assert.match(text, /table 1:\n +eviction=on.*\n +vacancy=on/);
  const [ours] = both;
  const shown = ['-O', 'OpenFlow14', 'dump-table-desc', 'br0'];
  await ours!.exec('ovs-ofctl', '-O', 'OpenFlow14', 'mod-table', 'br0', 'ALL', 'novacancy');
  assert.doesNotMatch(await ours!.exec('ovs-ofctl', ...shown), /vacancy=on/);
});

test('mod-table gives tables names in each version, and takes them back', async () => {
  await using scope = new Scope();
  const both = await switches(scope);
  for (const version of ['OpenFlow13', 'OpenFlow14', 'OpenFlow15']) {
    await alike(both, async (instance, client) => {
      const ofctl = (...w: string[]) =>
        instance.exec(`${client}/ovs-ofctl`, '-t', '60', '-O', version, ...w);
      await ofctl('mod-table', 'br0', '1', 'name:one');
      await ofctl('mod-table', 'br0', '2', 'name:two');
      await ofctl('add-flow', 'br0', 'table=one,actions=goto_table:two');
      const dump = await ofctl('--names', '--no-stats', 'dump-flows', 'br0', 'table=1');
      for (const table of ['one', 'two']) await ofctl('mod-table', 'br0', table, 'name:');
      assert.match(dump, /table=one.*goto_table:two/);
      return dump + (await ofctl('--names', '--no-stats', 'dump-flows', 'br0', 'table=1'));
    });
  }
});

test('colors: dump-flows, dump-groups and show in the same ones', async () => {
  await using scope = new Scope();
  const both = await switches(scope);
  await alike(both, async (instance, client) => {
    const ofctl = (...w: string[]) =>
      instance.exec(`${client}/ovs-ofctl`, '-O', 'OpenFlow13', ...w);
    const flows = join(instance.directory, 'flows');
    writeFileSync(
      flows,
      [
        'cookie=0x7,table=1,priority=7,tcp,nw_dst=10.0.0.0/8,tp_dst=80,actions=mod_nw_dst:1.2.3.4,2',
        'in_port=1,dl_vlan=5,actions=strip_vlan,learn(table=2,NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[],output:NXM_OF_IN_PORT[]),resubmit(,1)',
        'ct_state=+trk,ip,actions=ct(commit,zone=5,exec(load:1->NXM_NX_CT_MARK[]))',
        'ip,in_port=2,actions=learn(table=2,idle_timeout=5,hard_timeout=6,fin_idle_timeout=7,fin_hard_timeout=8,priority=9,send_flow_rem,cookie=0x5,limit=4,result_dst=reg0[0],eth_type=0x800,NXM_OF_IP_SRC[0..7]=0x5,NXM_OF_IP_DST[],load:5->NXM_NX_REG1[],load:NXM_NX_REG2[]->NXM_NX_REG3[])',
        'tcp,in_port=3,actions=ct(commit,nat(src=1.1.1.1-2.2.2.2:1-3,persistent),exec(load:1->NXM_NX_CT_MARK[]),alg=ftp)',
      ].join('\n'),
    );
    await ofctl('del-flows', 'br0');
    await ofctl('add-flows', 'br0', flows);
    const text = [
      await ofctl('--color=always', '--no-stats', 'dump-flows', 'br0'),
      await ofctl('--color=always', '--names', '--no-stats', 'dump-flows', 'br0'),
      await ofctl('--color=never', '--no-stats', 'dump-flows', 'br0'),
    ];
    return text.join('---\n');
  });
});

test('TLS: show over ssl:, refusals, ovs-testcontroller behind pssl:', async () => {
  await using scope = new Scope();
  const both = await switches(scope);
  const pki = scope.directory('pki');
  const command = `cd ${pki} && for who in init 'req+sign sw switch' 'req+sign ctl controller'; do ${CLIENTS[1]}/ovs-pki -B 2048 --dir=${pki}/pki --log=${pki}/log $who; done`;
  await both[0]!.exec('sh', '-ec', command);
  const mine = [
    `${pki}/sw-privkey.pem`,
    `${pki}/sw-cert.pem`,
    `${pki}/pki/controllerca/cacert.pem`,
  ];
  const theirs = [
    `-p${pki}/ctl-privkey.pem`,
    `-c${pki}/ctl-cert.pem`,
    `-C${pki}/pki/switchca/cacert.pem`,
  ];
  for (const instance of both) {
    await instance.vsctl('set-ssl', ...mine, '--', 'set-controller', 'br0', 'pssl:6699:127.0.0.1');
  }
  await alike(both, async (instance, client) => {
    const shown = async (...words: string[]) => {
      const { code, stdout } = await instance.run(
        `${client}/ovs-ofctl`,
        '--timeout=10',
        ...words,
        'dump-flows',
        'ssl:127.0.0.1:6699',
      );
      return `${code} ${stdout.replace(/duration=[\d.]+s/g, '')}`;
    };
    await eventually('a listener', async () => (await shown(...theirs)).startsWith('0 '));
    const others = [`-p${pki}/sw-privkey.pem`, `-c${pki}/sw-cert.pem`, theirs[2]!];
    const wrong = await shown(...others);
    return `${await shown(...theirs)}${wrong[0]}`;
  });
  // A controller of either kind rules either switch over TLS.
  for (const instance of both) {
    for (const client of instance === both[0] ? CLIENTS : CLIENTS.slice(1)) {
      const pidfile = join(instance.directory, 'controller.pid');
      const words = ['--detach', '--no-chdir', `--pidfile=${pidfile}`, '--unixctl=controller.ctl'];
      await instance.exec(
        `${client}/ovs-testcontroller`,
        ...words,
        ...theirs,
        'pssl:6700:127.0.0.1',
      );
      await instance.vsctl('set-controller', 'br0', 'ssl:127.0.0.1:6700');
      await eventually('a connection', async () =>
        /true/.test(await instance.vsctl('get', 'controller', 'br0', 'is_connected')),
      );
      process.kill(Number(readFileSync(pidfile, 'utf8')));
      await instance.vsctl('del-controller', 'br0');
    }
  }
});

test('a flow in place of another may keep its cookie; buckets may refer to what is not there, and not follow it', async () => {
  await using scope = new Scope();
  const both = await switches(scope);
  const version = ['-O', 'OpenFlow15'];
  const text = await alike(both, async (instance, client) => {
    const ofctl = (...w: string[]) => instance.exec(`${client}/ovs-ofctl`, ...version, ...w);
    for (const flow of ['cookie=1,actions=1', 'cookie=0xffffffffffffffff,actions=2']) {
      await ofctl('add-flow', 'br0', flow);
    }
    await ofctl('add-flow', 'br0', 'cookie=0xffffffffffffffff,in_port=1,actions=drop');
    const dumps = [await ofctl('--no-stats', '--sort=in_port', 'dump-flows', 'br0')];
    for (const [id, actions] of ['meter:9', 'group:99', 'meter:9,group:99'].entries()) {
      await ofctl('add-group', 'br0', `group_id=${id},type=all,bucket=actions=${actions}`);
      dumps.push(await ofctl('dump-groups', 'br0', String(id)));
    }
    // The new bucket is in the group already, and none is there for it to follow.
    for (const at of ['9', 'first']) {
      const spec = `group_id=0,command_bucket_id=${at},bucket=bucket_id=0,actions=1`;
      const words = [...version, 'insert-buckets', 'br0', spec];
      dumps.push((await instance.run(`${client}/ovs-ofctl`, ...words)).stderr);
    }
    for (const what of ['del-flows', 'del-groups']) await ofctl(what, 'br0');
    return dumps.join('').replaceAll(/ \(xid=\w+\)/g, '');
  });
  assert.match(text, /cookie=0x1, actions=output:p?2/);
  assert.match(text, /UNKNOWN_BUCKET(.|\n)*BUCKET_EXISTS/);
});
