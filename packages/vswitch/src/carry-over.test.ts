/** What protocols leave in a file, and how the next daemon goes on with it. */
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { realClock } from '@heddle/runtime';
import { bfdToKeep, keptBfd } from './bfd/carry-over.ts';
import { bfdSettings, newBfd } from './bfd/config.ts';
import { CarryOver } from './carry-over.ts';
import { cfmToKeep, restoreCfm } from './cfm/carry-over.ts';
import { Cfm, type CfmSettings } from './cfm/cfm.ts';
import { lacpToKeep, restoreLacp } from './lacp/carry-over.ts';
import { Lacp, type LacpMemberSettings } from './lacp/lacp.ts';
import { MacLearning } from './mac-learning.ts';
import { Bundle, OfPort, Ofproto } from './ofproto.ts';

const SETTINGS = { active: true, fast: true, sysId: 1, sysPriority: 10 };
const MEMBER: LacpMemberSettings = { portId: 1, portPriority: 5, key: 3 };

function lacp(sysId: number): { lacp: Lacp; port: OfPort } {
  const bridge = new Ofproto('br0', new MacLearning<Bundle>(realClock));
  const port = new OfPort('p1', 1, new Bundle('bond0', bridge));
  const made = new Lacp('bond0', { ...SETTINGS, sysId });
  made.setMembers(new Map([[port, MEMBER]]), 0);
  return { lacp: made, port };
}

/** Sends what one says to the other: the bytes behind the Ethernet header. */
function talk(from: Lacp, to: { lacp: Lacp; port: OfPort }, nowMs: number): void {
  for (const { pdu } of from.run(nowMs)) to.lacp.receive(to.port, pdu, nowMs);
}

test('what is kept is there for the next daemon; LACP goes on where it was', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'heddle-carry-'));
  t.after(() => rmSync(directory, { recursive: true }));
  const path = join(directory, 'state');
  const [us, them] = [lacp(1), lacp(2)];
  for (let now = 0; now < 3000; now += 500) {
    talk(us.lacp, them, now);
    talk(them.lacp, us, now);
  }
  assert.ok(us.lacp.members.get(us.port)!.mayEnable);
  const first = new CarryOver(path);
  first.put('lacp/br0/bond0', lacpToKeep(us.lacp));
  await setImmediate();

  const next = new CarryOver(path);
  const again = lacp(1);
  assert.equal(again.lacp.members.get(again.port)!.mayEnable, false);
  restoreLacp(again.lacp, next.found('lacp/br0/bond0'), 10_000);
  assert.ok(again.lacp.members.get(again.port)!.mayEnable);
  // The partner hears nothing new, and nothing is heard of a partner that is gone.
  talk(again.lacp, them, 3100);
  assert.ok(them.lacp.members.get(them.port)!.mayEnable);
  again.lacp.run(13_001);
  again.lacp.run(16_002);
  assert.equal(again.lacp.members.get(again.port)!.mayEnable, false);
  next.settle();
  assert.equal(next.found('lacp/br0/bond0'), undefined);
  next.remove();
  assert.equal(existsSync(path), false);
});

test('a file that is damaged or of another kind is none', (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'heddle-carry-'));
  t.after(() => rmSync(directory, { recursive: true }));
  const path = join(directory, 'state');
  for (const text of ['', '{', 'null', '{"version":0,"entries":{"a":1}}', '{"version":1}']) {
    writeFileSync(path, text);
    assert.equal(new CarryOver(path).found('a'), undefined, text);
  }
  for (const kept of [
    undefined,
    null,
    7,
    'x',
    {},
    { p1: 3 },
    { p1: { partner: {}, heardOfUs: 1 } },
  ]) {
    const { lacp: made, port } = lacp(1);
    restoreLacp(made, kept, 0);
    assert.equal(made.members.get(port)!.status, 'expired');
  }
});

const BFD = bfdSettings(new Map([['enable', 'true']]))!;

test('a BFD session that is up goes on, unless the neighbour must have missed it', () => {
  const [us, them] = [newBfd('us', BFD), newBfd('them', BFD)];
  const say = (from: typeof us, to: typeof us, nowMs: number) => {
    const packet = from.send(nowMs);
    if (packet) to.receive(packet, nowMs);
  };
  for (let now = 0; now < 5000; now += 100) {
    say(us, them, now);
    say(them, us, now);
    for (const bfd of [us, them]) bfd.run(now, () => 0);
  }
  assert.equal(us.state, 'up');
  const kept: unknown = JSON.parse(JSON.stringify(bfdToKeep(us)));
  assert.equal(keptBfd(kept, 3000), undefined);
  for (const none of [undefined, 7, {}, { ...(kept as object), remote: null }]) {
    assert.equal(keptBfd(none, 0), undefined);
  }
  const next = newBfd('us', BFD, keptBfd(kept, 2000), 7000);
  assert.deepEqual([next.state, next.isForwarding, next.disc], ['up', true, us.disc]);
  say(next, them, 7000);
  assert.equal(them.state, 'up');
  next.run(9999, () => 0);
  assert.ok(next.isForwarding);
  next.run(10_000, () => 0);
  assert.deepEqual([next.state, next.flaps], ['down', us.flaps + 1]);
  assert.equal(bfdToKeep(next), undefined);
});

test('CFM goes on with whom it has heard', () => {
  const settings: CfmSettings = {
    ...{ mpid: 1n, intervalMs: 1000, isExtended: false, isDemand: false, opup: true },
    ...{ vlan: undefined, pcp: undefined, checksTnlKey: false },
  };
  const cfm = new Cfm('us', settings, 0);
  const hear = (nowMs: number) => {
    const ccm = { seq: 0, mpid: 2n, rdi: false, intervalCode: 4, intervalMs: 0, opdown: false };
    cfm.receive(ccm, nowMs);
    cfm.run(nowMs, () => 0);
  };
  for (let now = 0; now < 20_000; now += 500) hear(now);
  const kept: unknown = JSON.parse(JSON.stringify(cfmToKeep(cfm)));
  const next = new Cfm('us', settings, 30_000);
  for (const none of [undefined, 7, {}, { flaps: 0, remotes: [{ mpid: 2, opup: 1 }] }]) {
    restoreCfm(next, none, 0);
  }
  restoreCfm(next, kept, 3500);
  assert.deepEqual(next.remoteMpids, []);
  restoreCfm(next, kept, 3499);
  assert.deepEqual([next.remoteMpids, next.isFaulty], [[2n], false]);
  next.run(33_500, () => 0);
  assert.equal(next.isFaulty, false);
  next.run(37_000, () => 0);
  assert.ok(next.isFaulty);
  assert.equal(cfmToKeep(next), undefined);
});
