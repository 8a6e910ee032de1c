/** Whom a frame is for, as a host behind a port is told: itself, all, some, or somebody else. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openNetns, PacketSocket, Rtnl, withNetns } from '@heddle/linux';
import { toHex } from '@heddle/packet';
import { ethernet, ipv4, udp } from '@heddle/packet/build';
import { eventually, Host, Instance, isolate, Scope, silence } from '@heddle/testing';

isolate();

const PACKET_HOST = 0;
const PACKET_BROADCAST = 1;
const PACKET_MULTICAST = 2;
const PACKET_OTHERHOST = 3;

function open(scope: Scope, host: Host): PacketSocket {
  using netns = openNetns({ path: host.netns });
  const socket = withNetns(netns, () => {
    using rtnl = new Rtnl();
    return new PacketSocket({ ifindex: rtnl.link('eth0')!.index, promisc: true });
  });
  scope.defer(() => socket.close());
  return socket;
}

test('a frame that is flooded is not for everybody', async () => {
  await using scope = new Scope();
  const instance = await Instance.ours(scope);
  await instance.vsctl('add-br', 'br0');
  const hosts: Host[] = [];
  for (const i of [1, 2, 3]) {
    const host = await Host.create(scope);
    await host.veth(scope, 'eth0', `p${i}`, instance.host);
    await silence(host, 'eth0');
    await host.exec('ip', 'link', 'set', 'eth0', 'address', `02:00:00:00:00:0${i}`);
    await instance.vsctl('add-port', 'br0', `p${i}`);
    hosts.push(host);
  }
  const [sender, ...receivers] = hosts.map((host) => open(scope, host));
  const told = async (dst: string, flow: string): Promise<number[]> => {
    await instance.exec('ovs-ofctl', 'add-flow', 'br0', flow);
    const ips = { src: '10.0.0.1', dst: '10.0.0.9' };
    const frame = ethernet({ src: '02:00:00:00:00:01', dst }, ipv4(ips, udp({ src: 7, dst: 9 })));
    sender!.send(frame);
    return Promise.all(
      receivers.map(async (socket) => {
        let type: number | undefined;
        await eventually(`the frame to ${dst}`, () => {
          for (const { type: is, frame: got } of socket.receive()) {
            if (toHex(got) === toHex(frame)) type = is;
          }
          return type !== undefined;
        });
        return type!;
      }),
    );
  };
  // Each is once the last that a packet is sent to, which is reached without a copy.
  for (const ports of ['2,3', '3,2']) {
    const flow = `in_port=1,actions=${ports}`;
    const other = [PACKET_OTHERHOST, PACKET_OTHERHOST];
    assert.deepEqual(await told('02:00:00:00:00:77', flow), other, ports);
    assert.deepEqual(await told('02:00:00:00:00:02', flow), [PACKET_HOST, PACKET_OTHERHOST]);
    assert.deepEqual(await told('02:00:00:00:00:03', flow), [PACKET_OTHERHOST, PACKET_HOST]);
    assert.deepEqual(
      await told('ff:ff:ff:ff:ff:ff', flow),
      [PACKET_BROADCAST, PACKET_BROADCAST],
      ports,
    );
    const some = [PACKET_MULTICAST, PACKET_MULTICAST];
    assert.deepEqual(await told('01:00:5e:00:00:05', flow), some, ports);
  }
});
