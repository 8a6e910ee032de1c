/** Flow mods that bundles keep as bytes come out as they went in. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type FlowMod, formatMatch, Match, parseFlowMod } from '@heddle/openflow';
import { addedState } from '../ofproto/flow-mod.ts';
import { StagedAdds } from './staged-adds.ts';

const MATCHES = [
  '',
  'in_port=LOCAL',
  'ip,nw_src=10.0.0.0/9',
  'tcp,nw_dst=10.1.2.3,tp_dst=80',
  'tcp6,ipv6_src=2001:db8::1',
  'dl_vlan=5,arp',
  'reg0=1,reg15=2/3,metadata=0x123456789abcdef0',
];

test('flows come out as they went in, whatever other messages lie between', () => {
  const staged = new StagedAdds();
  const want: (FlowMod | undefined)[] = [];
  const match = new Match();
  for (let i = 0; i < 2000; i++) {
    if (i % 7 === 3) {
      staged.pushOther();
      want.push(undefined);
      continue;
    }
    const text = `${MATCHES[(i * i) % MATCHES.length]},cookie=${i % 5},actions=output:${1 + (i % 3)}`;
    const { flowMod } = parseFlowMod(
      `table=${i % 255},priority=${(i * 97) & 0xffff},${text}`,
      'add',
    );
    want.push(flowMod);
    // The match of one message lies in the memory of the last one's.
    match.recycle();
    match.key.copyFrom(flowMod.match.key);
    match.mask.copyFrom(flowMod.match.mask);
    staged.push({ ...flowMod, match }, 4);
  }
  let n = 0;
  for (const added of staged) {
    const mod = want[n++];
    assert.equal(added === undefined, mod === undefined);
    if (!added || !mod) continue;
    assert.equal(formatMatch(added.match), formatMatch(mod.match));
    assert.ok(added.match.equals(mod.match));
    const { tableId, priority, state } = added;
    assert.deepEqual([tableId, priority], [mod.tableId, mod.priority]);
    assert.deepEqual(state, addedState(mod, 4));
  }
  assert.equal(n, want.length);
});
