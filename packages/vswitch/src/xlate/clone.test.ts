/** What copies, buckets and bridges behind patch ports do to a packet is theirs alone. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatOdpActions } from '@heddle/datapath';
import { Flow } from '@heddle/packet';
import { FakeClock } from '@heddle/runtime';
import { MacLearning } from '../mac-learning.ts';
import { FlowChanges } from '../ofproto/flow-changes.ts';
import { applyFlowMod } from '../ofproto/flow-mod.ts';
import { Meter } from '../ofproto/meter.ts';
import { RecircIds } from '../ofproto/recirc.ts';
import { Bundle, OfPort, Ofproto } from '../ofproto.ts';
import { parseFlowLine, parseGroupLine } from '../oracle/parse-lines.ts';
import { xlateActions } from './xlate.ts';

const ENCAP = 'encap(nsh),encap(ethernet)';
const NSH = 'push_nsh(flags=0,ttl=63,mdtype=1,np=3,spi=0x0,si=255,c1=0x0,c2=0x0,c3=0x0,c4=0x0)';
const ETH = 'push_eth(src=00:00:00:00:00:00,dst=00:00:00:00:00:00)';

/**
 * What the datapath is to do with a tagged and tracked packet from port 4; table 1 is `inner`, as it is in
 * the bridge behind port 9.
 */
function actionsOf(outer: string, inner: string, buckets: string): string {
  const [bridge, other] = ['br0', 'br1'].map((name) => {
    const of = new Ofproto(name, new MacLearning<Bundle>(new FakeClock()));
    for (const n of [1, 2, 3, 4, 9]) {
      const port = new OfPort(`p${n}`, n, new Bundle(`p${n}`, of));
      if (n !== 9) port.odpPort = n + (name === 'br1' ? 10 : 0);
      of.ports.set(n, port);
    }
    of.meters.set(1, new Meter({ meterId: 1, flags: 1, bands: [] }, 0));
    return of;
  }) as [Ofproto, Ofproto];
  bridge.ports.get(9)!.peer = other.ports.get(9)!;
  bridge.groups.set(...parseGroupLine(`group_id=1,type=all,${buckets}`));
  const [changes, changesThere] = [new FlowChanges(bridge), new FlowChanges(other)];
  const type = inner.startsWith('ct(') ? ',ip' : '';
  for (const line of [`table=0 actions=${outer}`, `table=1${type} actions=${inner}`]) {
    applyFlowMod(changes, parseFlowLine(line), 0, 4);
    applyFlowMod(changesThere, parseFlowLine(line.replace(outer, 'resubmit(,1)')), 0, 4);
  }
  const recirc = new RecircIds(() => 0);
  const config = { vlanLimit: 1, portOf: (odp: number) => bridge.ports.get(odp), recirc };
  const packet = new Flow();
  Object.assign(packet, { inPort: 4, dlSrc: 0x20000000001, dlType: 0x0800, ctState: 0x22 });
  Object.assign(packet, { vlanTci0: 0x1005, vlanTpid0: 0x8100 });
  const text = formatOdpActions(xlateActions(config, packet).actions);
  return text.replaceAll(/\bmeter\(\d+\)/g, 'meter(N)');
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

test('what a copy is tracked, translated, metered or hashed as, it is alone', () => {
  const byFlow = 'bucket=actions=resubmit(,1),bucket=actions=output:2';
  for (const [done, text] of [
    ['ct(commit,nat(src=10.0.0.77))', 'ct(commit,nat(src=10.0.0.77))'],
    ['ct_clear', 'ct_clear'],
    ['meter:1', 'meter(N)'],
  ] as const) {
    assert.equal(actionsOf('group:1,1', `${done},3`, byFlow), `clone(${text},3),2,1`);
    assert.equal(actionsOf('clone(resubmit(,1)),2', `${done},3`, byFlow), `clone(${text},3),2`);
    assert.equal(actionsOf('2,clone(resubmit(,1))', `${done},3`, byFlow), `2,${text},3`);
    assert.equal(actionsOf('resubmit(,1),2', `${done},3`, byFlow), `${text},3,2`);
    const twice = `clone(clone(resubmit(,1)),1),clone(clone(resubmit(,1))),2`;
    const once = `clone(${text},3),1,clone(${text},3),2`;
    assert.equal(actionsOf(twice, `${done},3`, byFlow), once);
  }
});

test('what another bridge translates is translated for what it sends alone', () => {
  const nat = 'ct(commit,nat(src=10.0.0.77))';
  assert.equal(actionsOf('9,2', `${nat},3`, 'bucket=actions=drop'), `clone(${nat},13),2`);
  assert.equal(actionsOf('2,9', `${nat},3`, 'bucket=actions=drop'), `2,${nat},13`);
});

test('what a copy changes besides, what follows has as it was', () => {
  const none = 'bucket=actions=drop';
  const queue = 'set(skb_priority(0x3)),3,set(skb_priority(0)),2';
  for (const [done, actions] of [
    ['set_queue:3', queue],
    ['set_field:5->pkt_mark', 'set(skb_mark(0x5)),3,set(skb_mark(0)),2'],
    ['push:reg0[],pop:reg1[]', '3,2'],
    ['set_field:5->tun_id', '3,2'],
    ['sample(probability=9,collector_set_id=1)', '3,2'],
  ] as const) {
    assert.equal(actionsOf('clone(resubmit(,1)),2', `${done},3`, none), actions);
    assert.equal(actionsOf(`clone(${done},3),2`, 'drop', none), actions);
  }
  const cut = 'output(port=3,max_len=100)';
  assert.equal(actionsOf('clone(resubmit(,1)),2', cut, none), 'trunc(100),3,2');
});
