/** heddle doctor finds programs of others at the ports' ingress, and does not take ours for one. */
import assert from 'node:assert/strict';
import { closeSync } from 'node:fs';
import { test } from 'node:test';
import { check, openNetns, Rtnl, withNetns } from '@heddle/linux';
import { attachTcx } from '@heddle/linux/bpf/index';
import { BPF_PROG_LOAD, bpf, pointer } from '@heddle/linux/bpf/syscall';
import { type Host, Instance, isolate, Scope } from '@heddle/testing';

isolate();

const BPF_PROG_TYPE_SCHED_CLS = 3;
/** `r0 = -1; exit`: on to the next program. */
const PASS_ON = Buffer.from('b7000000ffffffff9500000000000000', 'hex');
/** More than get a TCX link at once: some have filters. */
const PORTS = 24;

function program(name: string): number {
  const license = Buffer.from('GPL\0');
  const attr = Buffer.alloc(128);
  attr.writeUInt32LE(BPF_PROG_TYPE_SCHED_CLS, 0);
  attr.writeUInt32LE(PASS_ON.length / 8, 4);
  attr.writeBigUInt64LE(pointer(PASS_ON), 8);
  attr.writeBigUInt64LE(pointer(license), 16);
  attr.write(name, 48, 15);
  return check(bpf(BPF_PROG_LOAD, attr), 'BPF_PROG_LOAD');
}

/** Runs in the switch's namespace; what it returns is closed after the test. */
function inside<T>(host: Host, f: (rtnl: Rtnl) => T): T {
  using netns = openNetns({ path: host.netns });
  return withNetns(netns, () => {
    using rtnl = new Rtnl();
    return f(rtnl);
  });
}

/** False where the kernel has no TCX (before 6.6). */
function attachRival(rtnl: Rtnl, device: string, name: string): boolean {
  const fd = program(name);
  try {
    closeLater.push(attachTcx(fd, rtnl.link(device)!.index));
    return true;
  } catch {
    return false;
  } finally {
    closeSync(fd);
  }
}

const closeLater: number[] = [];

test('rival programs in TCX and clsact are named, by port', async () => {
  await using scope = new Scope();
  const instance = await Instance.ours(scope);
  const { host } = instance;
  const names = Array.from({ length: PORTS }, (_, n) => `p${n}`);
  inside(host, (rtnl) => {
    for (const name of names) rtnl.createVeth({ name, up: true }, { name: `${name}x`, up: true });
  });
  const add = names.flatMap((name) => ['--', 'add-port', 'br0', name]);
  await instance.vsctl('add-br', 'br0', ...add);
  const rivals = async (): Promise<string[]> => {
    const { stdout } = await instance.run('heddle', 'doctor');
    return stdout.split('\n').filter((line) => line.includes('other tc programs'));
  };
  assert.deepEqual(await rivals(), []);

  const hasTcx = inside(host, (rtnl) => attachRival(rtnl, 'p3', 'cil_from_netdev'));
  inside(host, (rtnl) => {
    const fd = program('calico');
    const { index } = rtnl.link('p5')!;
    rtnl.ensureClsact(index);
    const place = { ifindex: index, direction: 'ingress' as const, priority: 1, handle: 7 };
    rtnl.setBpfFilter(place, { fd, name: 'calico_from_wl' });
    closeSync(fd);
  });
  const found = await rivals();
  assert.equal(found.length, hasTcx ? 2 : 1, found.join('\n'));
  if (hasTcx) assert.match(found[0]!, /on p3: cil_from_netdev$/);
  assert.match(found.at(-1)!, /on p5: calico_from_wl$/);
  for (const fd of closeLater) closeSync(fd);
});
