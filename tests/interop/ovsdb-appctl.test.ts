/** The commands of ovs-appctl and the options: both servers say the same. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { options, SB_SCHEMA, SIDES, TestServer, VSWITCH_SCHEMA } from './ovsdb-servers.ts';

const P = 'ovsdb-server';
/** What a server of Open_vSwitch and OVN_Southbound is told, in order. */
const COMMANDS = `
  add-db | add-db nosuch.db | add-db DIR/conf.db | add-db a b | add-db relay:X
  add-remote | add-remote foo:bar | add-remote ptcp:99999 | add-remote ptcp:abc | add-remote ptcp:0:1.2.3.4
  add-remote pssl:0:127.0.0.1 | add-remote ssl:127.0.0.1:1 | add-remote db: | add-remote db:a | add-remote db:a,b
  add-remote db:a,b,c | add-remote db:Open_vSwitch,b,c | add-remote db:Open_vSwitch,Open_vSwitch,c
  add-remote db:Open_vSwitch,Open_vSwitch,cur_cfg | add-remote db:Open_vSwitch,Open_vSwitch,manager_options
  add-remote db:Open_vSwitch,Bridge,other_config | add-remote db:Open_vSwitch,Open_vSwitch,manager_options,x
  list-remotes | remove-remote foo:bar | remove-remote foo:bar | remove-remote ssl:127.0.0.1:1
  remove-remote db:Open_vSwitch,Open_vSwitch,manager_options | list-remotes
  compact | compact nosuch | compact _Server | compact Open_vSwitch | compact a b
  connect-active-ovsdb-server | connect-active-ovsdb-server x | disconnect-active-ovsdb-server
  get-active-ovsdb-server | set-active-ovsdb-server | set-active-ovsdb-server foo | get-active-ovsdb-server
  set-active-ovsdb-server-probe-interval | set-active-ovsdb-server-probe-interval x
  set-active-ovsdb-server-probe-interval 1000 | set-active-ovsdb-server-probe-interval 5000x
  get-sync-exclude-tables | set-sync-exclude-tables foo | get-sync-exclude-tables
  set-sync-exclude-tables Open_vSwitch:Port,Open_vSwitch:Bridge,Open_vSwitch:Port,foo:bar
  get-sync-exclude-tables | sync-status | disable-monitor-cond x | disable-monitor-cond
  get-db-storage-status | get-db-storage-status x | get-db-storage-status Open_vSwitch
  get-db-storage-status _Server | list-dbs | list-dbs x | memory-trim-on-compaction
  memory-trim-on-compaction x | memory-trim-on-compaction on | memory-trim-on-compaction off
  perf-counters-clear | reconnect | reconnect x
  remove-db | remove-db x | remove-db _Server | remove-db OVN_Southbound | list-dbs | add-db sb.db | list-dbs
  tlog-list | tlog-set | tlog-set x | tlog-set x on | tlog-set x:y on | tlog-set OVN_Southbound:y on
  tlog-set OVN_Southbound:Chassis on | tlog-set OVN_Southbound:Chassis foo | tlog-list
  tlog-set OVN_Southbound:Chassis OFF | tlog-set Open_vSwitch:Bridge:x off`
  .trim()
  .split(/\s*[|\n]\s*/);

test(`${COMMANDS.length} commands are answered alike`, options, async () => {
  const answers: string[][] = [];
  const lists: string[] = [];
  for (const side of SIDES) {
    await using server = new TestServer(side);
    const files = [server.create('conf.db', VSWITCH_SCHEMA), server.create('sb.db', SB_SCHEMA)];
    await server.start(...files);
    answers.push(
      COMMANDS.map((line) => {
        const [name, ...args] = line.replace('DIR', server.dir).split(' ');
        return `${line}\n${server.appctl(`${P}/${name}`, ...args)}`;
      }),
    );
    lists.push(server.appctl('list-commands'));
    assert.match(server.appctl('memory/show'), /^atoms:\d+ cells:\d+ monitors:0 n-weak-refs:0/);
  }
  const [theirs, ours] = answers;
  for (const [i, answer] of ours!.entries()) assert.equal(answer, theirs![i]);
  assert.equal(lists[1], lists[0]);
});

test('command lines that cannot be are refused alike', options, async () => {
  const lines = [
    ...['nosuch.db', 'relay:foo', '--remote=db:x', '--run=false', '--no-dbs --run=true'],
    '--private-key=db:Open_vSwitch,SSL,bootstrap_ca_cert',
  ];
  const results: string[][] = [];
  for (const side of SIDES) {
    await using server = new TestServer(side);
    server.create('conf.db', VSWITCH_SCHEMA);
    results.push(
      lines.map((line) => {
        const words = line.split(/ (?=--)/);
        const { status, stderr } = server.serve('--unixctl=none', 'conf.db', ...words);
        return `${line}: ${status} ${stderr.trim().replace(/^\S*ovsdb-server: /, '')}`;
      }),
    );
  }
  assert.deepEqual(results[1], results[0]);
});
