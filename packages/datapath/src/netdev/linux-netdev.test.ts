/** AF_PACKET devices of the userspace datapath. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { PacketSocket, Rtnl } from '@heddle/linux';
import { check, syscall } from '@heddle/linux/native';
import { SYS } from '@heddle/linux/syscalls';
import { PacketChannel } from './channel.ts';
import { LinuxNetdev, NetdevLoop } from './linux-netdev.ts';

const CLONE_NEWNET = 0x4000_0000;
check(syscall(SYS.unshare, CLONE_NEWNET), 'unshare');

const FRAME = Buffer.from(`ffffffffffff0200000000018899${'00'.repeat(46)}`, 'hex');

function netdev(rtnl: Rtnl, loop: NetdevLoop, name: string): LinuxNetdev {
  const { index } = rtnl.link(name)!;
  const isThere = () => rtnl.link(index) !== undefined;
  return new LinuxNetdev({ name, channel: new PacketChannel(index), loop, isThere });
}

function sendBy(rtnl: Rtnl, name: string): void {
  using socket = new PacketSocket({ ifindex: rtnl.link(name)!.index, sendOnly: true });
  socket.send(FRAME);
}

test('a device that comes up while frames go to it receives', async () => {
  using rtnl = new Rtnl();
  const loop = new NetdevLoop();
  rtnl.createVeth({ name: 'a0', up: true }, { name: 'a1', up: true });
  rtnl.createVeth({ name: 'b0' }, { name: 'b1', up: true });
  const from = netdev(rtnl, loop, 'a0');
  from.setReceiver((frame) => void to.transmit(frame));
  // Its socket has an error for the device that is down.
  const to = netdev(rtnl, loop, 'b0');
  let received = 0;
  to.setReceiver(() => void received++);
  rtnl.setLink('b0', { up: true });
  // In one turn of the event loop: a frame that takes the error along, and the news of the error.
  sendBy(rtnl, 'a1');
  for (let i = 0; i < 400 && received === 0; i++) {
    await delay(5);
    sendBy(rtnl, 'b1');
  }
  from.close();
  to.close();
  assert(received > 0);
});
