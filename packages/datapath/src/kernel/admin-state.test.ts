/** Devices that are set down and up. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Rtnl } from '@heddle/linux/rtnetlink/rtnl';
import { Flow } from '@heddle/packet';
import * as b from '@heddle/packet/build';
import { enterNewNetns, Rig, until } from './test-support.ts';

enterNewNetns();

const MACS = { dst: 'ff:ff:ff:ff:ff:ff', src: '02:00:00:00:00:01' };
const IPS = { src: '10.0.0.1', dst: '10.0.0.2' };

function frame(mark: number): Uint8Array {
  return b.ethernet(MACS, b.ipv4(IPS, b.udp({ src: 1, dst: 2 }, new Uint8Array(8).fill(mark))));
}

test('a port that the daemon has set down gets nothing, before that is heard of', async () => {
  const rig = await Rig.open(2);
  const [one, two] = rig.ports as [number, number];
  const [key, mask] = [new Flow(), new Flow()];
  key.inPort = one;
  mask.inPort = 0xffff_ffff;
  rig.dpif.flowPut({ key, mask, actions: [{ type: 'output', port: two }] });
  const marks: number[] = [];
  const take = (): void => {
    for (const got of rig.received(two)) marks.push(got.at(-1)!);
  };
  using rtnl = new Rtnl();
  const device = rtnl.link('x2')!.index;
  const set = (up: boolean): void => {
    rtnl.setLink(device, { up });
    rig.dpif.deviceSet(two);
  };

  rig.send(one, frame(1));
  set(false);
  rig.send(one, frame(2));
  set(true);
  // A link that comes up drops packets for a while.
  await until(() => {
    rig.send(one, frame(3));
    take();
    return marks.includes(3);
  });
  assert.deepEqual([...new Set(marks)], [1, 3]);
  await rig.close();
});
