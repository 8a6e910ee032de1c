import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatOdpActions } from '@heddle/datapath';
import { Flow } from '@heddle/packet';
import { FakeClock } from '@heddle/runtime';
import { MacLearning } from '../mac-learning.ts';
import { FlowChanges } from '../ofproto/flow-changes.ts';
import { applyFlowMod } from '../ofproto/flow-mod.ts';
import { RecircIds } from '../ofproto/recirc.ts';
import { Bundle, OfPort, Ofproto } from '../ofproto.ts';
import { parseFlowLine, parseGroupLine } from '../oracle/parse-lines.ts';
import { xlateActions } from './xlate.ts';

const ENCAP = 'encap(nsh),encap(ethernet)';
const NSH = 'push_nsh(flags=0,ttl=63,mdtype=1,np=3,spi=0x0,si=255,c1=0x0,c2=0x0,c3=0x0,c4=0x0)';
const ETH = 'push_eth(src=00:00:00:00:00:00,dst=00:00:00:00:00:00)';

/** What the datapath is to do with a tagged packet from port 4; table 1 is `inner`. */
function actionsOf(outer: string, inner: string, buckets: string): string {
  const bridge = new Ofproto('br0', new MacLearning<Bundle>(new FakeClock()));
  for (const n of [1, 2, 3, 4]) {
    const port = new OfPort(`p${n}`, n, new Bundle(`p${n}`, bridge));
    port.odpPort = n;
    bridge.ports.set(n, port);
  }
  bridge.groups.set(...parseGroupLine(`group_id=1,type=all,${buckets}`));
  const changes = new FlowChanges(bridge);
  for (const line of [`table=0 actions=${outer}`, `table=1 actions=${inner}`]) {
    applyFlowMod(changes, parseFlowLine(line), 0, 4);
  }
  const recirc = new RecircIds(() => 0);
  const config = { vlanLimit: 1, portOf: (odp: number) => bridge.ports.get(odp), recirc };
  const packet = new Flow();
  Object.assign(packet, { inPort: 4, dlSrc: 0x20000000001, dlType: 0x1234 });
  Object.assign(packet, { vlanTci0: 0x1005, vlanTpid0: 0x8100 });
  return formatOdpActions(xlateActions(config, packet).actions);
}

test('headers that come in a copy are the copy’s alone, however it is done', () => {
  const wrapped = `clone(${NSH},${ETH},3),2`;
  const direct = `bucket=actions=${ENCAP},output:3,bucket=actions=output:2`;
  const byFlow = 'bucket=actions=resubmit(,1),bucket=actions=output:2';
  assert.equal(actionsOf('group:1', `${ENCAP},3`, byFlow), wrapped);
  assert.equal(actionsOf('group:1,1', 'drop', byFlow), '2,1');
  assert.equal(actionsOf(`clone(${ENCAP},3),2`, 'drop', direct), wrapped);
  assert.equal(actionsOf('clone(resubmit(,1)),2', `${ENCAP},3`, direct), wrapped);
  assert.equal(
    actionsOf('2,resubmit(,2),clone(resubmit(,1))', `${ENCAP},3`, direct),
    `2,${NSH},${ETH},3`,
  );
});

test('a header that a copy adds and sends nothing with leaves no trace', () => {
  const toNone = 'bucket=actions=encap(nsh),output:3,bucket=actions=output:2';
  assert.equal(actionsOf('group:1,1', 'drop', toNone), '2,1');
  assert.equal(actionsOf('clone(resubmit(,1)),2', '1,encap(nsh),3', toNone), 'clone(1),2');
});

test('a header that waits when a copy begins is the packet’s', () => {
  const plain = 'bucket=actions=output:3,bucket=actions=output:2';
  assert.equal(actionsOf(`${ENCAP},group:1,1`, 'drop', plain), `${NSH},${ETH},3,2,1`);
  const twice = `${NSH},clone(${ETH},${NSH},${ETH},3),${ETH},1`;
  assert.equal(actionsOf(`${ENCAP},clone(resubmit(,1)),1`, `${ENCAP},3`, plain), twice);
});
