/** The comparison with Open vSwitch tells what a copy does from what follows it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { copiesIn } from './copies.ts';

const TRACE = `Flow: ip,in_port=4

bridge("br0")
-------------
 0. ip, priority 1
    clone(group:1,clone(resubmit(,2),output:1),exit,output:2)
    group:1
    bucket 0
            resubmit(,1)
         1. ip, priority 1
            ct_clear
    bucket 1
            output:2
    clone(resubmit(,2),output:1)
    resubmit(,2)
     2. ip, priority 1
            meter:1
    output:1
    exit
 9. ip, priority 1
    output:3

Final flow: unchanged
Datapath actions: drop`;

test('what copies do is told from what is behind them', () => {
  const told = copiesIn(TRACE).map(({ by, within, behind }) => {
    const [inside, after] = [within, behind].map((text) => text.match(/[a-z_]+[:(][^ ]*$|exit$/gm));
    return [by, inside?.at(-1), after?.[0]];
  });
  assert.deepEqual(told, [
    ['clone', 'exit', 'output:3'],
    ['bucket', 'resubmit(,1)', 'output:2'],
    ['bucket', 'output:2', 'clone(resubmit(,2),output:1)'],
    ['clone', 'output:1', 'exit'],
  ]);
});

test('a copy that is last has nothing behind', () => {
  const [copy] = copiesIn(
    ' 0. ip\n    output:1\n    clone(decap(),output:2)\n    decap()\n    output:2\n',
  );
  assert.deepEqual(copy, { by: 'clone', within: '    decap()\n    output:2', behind: '' });
});
