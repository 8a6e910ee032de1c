/** Daemons that die, and the next ones. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { test } from 'node:test';
import type { AttachMode } from './links.ts';
import { openKernelDpif } from './open.ts';
import { patch } from './test-daemon.ts';
import { Hosts, inHost, output } from './test-hosts.ts';
import { delay, enterNewNetns, TEST_PIN_ROOT, testOptions } from './test-support.ts';

enterNewNetns();

async function startDaemon(instance: string, attach: AttachMode): Promise<[ChildProcess, string]> {
  const script = new URL('./test-daemon.ts', import.meta.url).pathname;
  const child = spawn(process.execPath, [script, instance, TEST_PIN_ROOT, attach, 'p1', 'p2'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [line] = await once(child.stdout!, 'data');
  return [child, String(line).trim()];
}

for (const attach of ['tcx', 'clsact'] as const)
  test(`kill -9 under ping -f loses nothing; the next daemon adopts (${attach})`, async (t) => {
    using hosts = new Hosts('d');
    const options = testOptions({ attach });
    const [first, said] = await startDaemon(options.instance, attach);
    assert.equal(said, 'ready fresh 0');
    const warm = inHost(hosts.names[0]!, 'ping', ['-c', '2', '-i', '0.1', '-W', '1', '10.0.0.2']);
    assert.match(await output(warm), / 0% packet loss/);
    const flood = inHost(hosts.names[0]!, 'ping', ['-q', '-f', '-w', '3', '-W', '1', '10.0.0.2']);
    const report = output(flood);
    await new Promise((r) => setTimeout(r, 300));
    first.kill('SIGKILL');
    await once(first, 'close');
    const [second, adopted] = await startDaemon(options.instance, attach);
    assert.match(adopted, /^ready adopted [1-9]/);
    second.kill('SIGKILL');
    await once(second, 'close');
    // Other programs than those that run: everything changes over while packets pass.
    const dpif = await openKernelDpif({ ...options, forceUpgrade: true });
    t.after(() => dpif.destroy());
    patch(dpif);
    assert.equal(dpif.adopted, true);
    const text = await report;
    assert.match(text, / 0% packet loss/, text);
    const [sent] = /^\d+/m.exec(text.split('\n').find((l) => l.includes('transmitted'))!)!;
    const icmp = [...dpif.flows()].filter((f) => f.key.dlType === 0x800);
    assert.equal(icmp.length, 2);
    // Every echo was counted by the flows of some generation, the first packet by the upcall.
    for (const f of icmp) assert.equal(f.stats.packets, Number(sent) + 1);
  });

test('what a dead namespace left is collected', async () => {
  const script = new URL('./test-daemon.ts', import.meta.url).pathname;
  const { instance } = testOptions();
  const args = ['--net', process.execPath, script, instance, TEST_PIN_ROOT, 'tcx'];
  const child = spawn('unshare', args, { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(child.stdout!, 'data');
  assert.ok(existsSync(`${TEST_PIN_ROOT}/${instance}`));
  child.kill('SIGKILL');
  await once(child, 'close');
  // The kernel takes namespaces down in its own time.
  for (let i = 0; i < 50 && existsSync(`${TEST_PIN_ROOT}/${instance}`); i++) {
    await delay(100);
    const dpif = await openKernelDpif(testOptions());
    await dpif.destroy();
  }
  assert.ok(!existsSync(`${TEST_PIN_ROOT}/${instance}`));
});
