/**
 * What people type who know Open vSwitch, line by line in a shell, on our switch and on the
 * distribution's: what each line prints, and its exit code.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isolate, Scope } from '@heddle/testing';
import { DummySwitch } from './dummy-switch.ts';

isolate();

/** What clocks, chance and the numbers of recirculations decide. */
function plain(text: string): string {
  return text
    .replace(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, 'UUID')
    .replace(/duration=[\d.]+s|idle_age=\d+|(?<=recirc_id=)(0x)?[1-9a-f]\d*/g, '')
    .replace(/(?<=recirc\()0x\w+|\(xid=\w+\)/g, '')
    .replace(/^\d{4}-\d\d-\d\dT[\d:.]+Z/gm, '');
}

async function alike(script: string): Promise<string> {
  await using scope = new Scope();
  const both = await DummySwitch.pair(scope);
  const each = <T>(body: (subject: DummySwitch) => Promise<T>) => Promise.all(both.map(body));
  await each((s) => s.setUp('br0', ['p1', 'p2', 'p3'], ['--', 'set-fail-mode', 'br0', 'secure']));
  let all = '';
  for (const line of script.trim().split('\n')) {
    const [ours, theirs] = await each(async ({ instance }) => {
      const { code, stdout, stderr } = await instance.run('sh', '-c', `cd $OVS_RUNDIR; ${line}`);
      return plain(`${stdout}${stderr}(${code})`).replaceAll(instance.directory, '');
    });
    assert.equal(ours, theirs, line);
    all += `${theirs}\n`;
  }
  return all;
}

test('flow tables with names', async () => {
  const said = await alike(`
ovs-vsctl set bridge br0 protocols=OpenFlow10,OpenFlow13,OpenFlow15
ovs-vsctl -- --id=@t create Flow_Table name=classify flow_limit=9 -- set bridge br0 flow_tables:0=@t
ovs-vsctl -- --id=@t create Flow_Table flow_limit=5 -- set bridge br0 flow_tables:1=@t
ovs-ofctl add-flow br0 'in_port=1,actions=resubmit(,1)'
ovs-ofctl -O OpenFlow15 mod-table br0 0 name:other
ovs-ofctl -O OpenFlow15 mod-table br0 0 name:classify
ovs-ofctl -O OpenFlow15 mod-table br0 0 name:
ovs-ofctl -O OpenFlow15 mod-table br0 1 name:out
ovs-ofctl -O OpenFlow15 mod-table br0 all name:out
ovs-ofctl --names --no-stats dump-flows br0
ovs-ofctl --names --no-stats dump-flows br0 table=classify
ovs-ofctl -O OpenFlow13 dump-table-features br0
`);
  assert.match(said, /table=classify, in_port=p1 actions=resubmit\(,out\)/);
  assert.match(said, /OFPTFFC_EPERM/);
});

test('ports by their names in traces', async () => {
  const said = await alike(`
ovs-ofctl add-flow br0 'in_port=1,ip,actions=output:2,resubmit(3,1),learn(table=9,in_port=2,output:NXM_OF_IN_PORT[])'
ovs-ofctl add-flow br0 'table=1,in_port=3,ip,actions=ct(table=2),in_port,LOCAL,enqueue:2:7'
ovs-ofctl add-flow br0 'table=2,actions=output:3'
ovs-appctl ofproto/trace --names br0 in_port=p1,ip
ovs-appctl ofproto/trace br0 in_port=1,ip -names -generate
ovs-appctl ofproto/trace --names 'in_port(1),eth(),eth_type(0x0800),ipv4(frag=no)'
ovs-appctl ofproto/trace-packet-out --names br0 in_port=p1,ip 'output:2,clone(3)'
ovs-appctl ofproto/trace --names br0 in_port=77,ip
ovs-appctl ofproto/trace --no-names br0 in_port=p1,ip
`);
  assert.match(said, /resubmit\(p3,1\)\n +1\. ip,in_port=p3/);
  assert.match(said, /Datapath actions: p2,ct,recirc\(\),p1,br0,/);
});

test('flows that overlap take each other’s places', async () => {
  const said = await alike(`
echo priority=5,check_overlap,send_flow_rem,ip,actions=1 >flows
echo priority=5,ip,nw_src=10.0.0.1,actions=2 >>flows
ovs-ofctl -O OpenFlow14 replace-flows br0 flows
ovs-ofctl -O OpenFlow14 --bundle replace-flows br0 flows
ovs-ofctl -O OpenFlow14 --no-stats --sort dump-flows br0
ovs-ofctl -O OpenFlow14 diff-flows br0 flows
ovs-ofctl del-flows br0
tac flows | ovs-ofctl -O OpenFlow14 replace-flows br0 -
ovs-ofctl -O OpenFlow14 --no-stats --sort dump-flows br0
`);
  assert.ok(!said.includes('check_overlap'));
});

test('flows of high priority are listed first', async () => {
  const said = await alike(`
ovs-ofctl add-flow br0 'priority=1,actions=NORMAL'
ovs-ofctl add-flow br0 'priority=10,ip,actions=1'
ovs-ofctl add-flow br0 'priority=30,udp,tp_dst=53,actions=3'
ovs-ofctl add-flow br0 'priority=20,tcp,tp_dst=80,actions=2'
ovs-ofctl --no-stats dump-flows br0
ovs-ofctl --no-stats dump-flows br0 ip
ovs-appctl bridge/dump-flows br0
`);
  assert.match(said, /priority=30.*priority=20.*priority=10.*priority=1 /s);
});

test('replies end their line', async () => {
  const said = await alike(`
ovs-vsctl add-bond br0 b0 b1 b2 bond_mode=active-backup -- set interface b1 type=dummy -- set interface b2 type=dummy
ovs-appctl bond/disable-member b0 b1
ovs-appctl bond/enable-member b0 b1
ovs-appctl bond/enable-member b0 b9
ovs-appctl bond/hash 50:54:00:00:00:01 | wc -l
`);
  assert.match(said, /disabled\n\(0\)/);
});

test('patches without a usable other end', async () => {
  const said = await alike(`
ovs-vsctl add-br br1 -- set bridge br1 datapath_type=dummy
ovs-vsctl add-port br0 pa -- set interface pa type=patch options:peer=pb
ovs-vsctl get interface pa error
ovs-vsctl show | grep error
ovs-vsctl add-port br1 pb -- set interface pb type=patch options:peer=px
ovs-vsctl get interface pa error -- get interface pb error
ovs-appctl dpif/show
ovs-vsctl set interface pb options:peer=pa
ovs-vsctl get interface pa error -- get interface pb error
ovs-vsctl set interface pb options:peer=p1
ovs-vsctl get interface pa error -- get interface pb error
ovs-vsctl set interface pb options:peer=pb
ovs-vsctl get interface pb error
ovs-vsctl remove interface pb options peer
ovs-vsctl get interface pb error
`);
  assert.match(said, /"No usable peer 'px' exists in 'dummy' datapath\."/);
});

test('flows sorted by a field that others share a place with', async () => {
  const said = await alike(`
ovs-ofctl add-flow br0 'priority=9,ipv6,ipv6_dst=fe80::/10,actions=1'
ovs-ofctl add-flow br0 'priority=8,udp,udp_dst=5,actions=2'
ovs-ofctl add-flow br0 'priority=3,tcp,tcp_dst=7,nw_dst=10.0.0.1,actions=3'
ovs-ofctl --no-stats --sort=nw_dst dump-flows br0
ovs-ofctl --no-stats --sort=tcp_dst dump-flows br0
ovs-ofctl --no-stats --rsort=ipv6_dst dump-flows br0
`);
  assert.match(said, /\(0\)\n priority=3,.*\n priority=9,.*\n priority=8,/);
});

test('what ovs-ofctl looks at before it connects', async () => {
  const said = await alike(`
ovs-ofctl -O OpenFlow13 monitor nosuch 65534 invalid_ttl
ovs-ofctl dump-meters nosuch what
ovs-ofctl meter-stats nosuch 1
`);
  assert.match(said, /but none is enabled \(use -O\)/);
});

test('versions of OpenFlow that do not meet', async () => {
  const said = await alike(`
ovs-vsctl set bridge br0 protocols=OpenFlow10,OpenFlow11,OpenFlow14
ovs-ofctl -O OpenFlow13 show br0 2>&1 | sed 's/to socket.*//'
ovs-ofctl -O OpenFlow12,OpenFlow13 show br0 2>&1 | sed 's/to socket.*//'
ovs-vsctl set bridge br0 protocols=OpenFlow14
ovs-ofctl show br0 2>&1 | sed 's/to socket.*//'
`);
  assert.match(said, /we support version 0x04, peer supports versions 0x01, 0x02, 0x05\)/);
});

test('ports that are set where the number of a protocol is ARP’s, and masks of fields that take none', async () => {
  const said = await alike(`
ovs-ofctl -O OpenFlow10 add-flow br0 arp,arp_op=17,actions=mod_tp_dst:5
ovs-ofctl -O OpenFlow10 add-flow br0 udp,ip_frag=later,actions=mod_tp_dst:6
ovs-ofctl -O OpenFlow15 --no-stats dump-flows br0
ovs-ofctl ofp-print 060e004000000001000000000000000000000000000000000000000000008000ffffffffffffffffffffffff000000000001000c80000b040800ffff00000000
`);
  assert.match(said, /arp_op=17 actions=set_field:5->udp_dst/);
  assert.match(said, /ADD ip actions=drop/);
});
