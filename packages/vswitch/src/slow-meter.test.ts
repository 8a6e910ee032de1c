/** The meter of the slow path limits what comes up. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { UserspaceDpif } from '@heddle/datapath';
import { OFPM13_SLOWPATH } from '@heddle/openflow';
import { Flow } from '@heddle/packet';
import { FakeClock } from '@heddle/runtime/clock';
import { MacLearning } from './mac-learning.ts';
import { actionsOf } from './odp-actions-of.ts';
import { Meter } from './ofproto/meter.ts';
import { RecircIds } from './ofproto/recirc.ts';
import { type Bundle, Ofproto } from './ofproto.ts';
import { xlateActions } from './xlate/xlate.ts';

const dpif = new UserspaceDpif({
  openNetdev: () => {
    throw new Error('no devices here');
  },
  clock: new FakeClock(0),
});

test('what the daemon treats packet by packet comes up through the meter of the slow path', () => {
  const bridge = new Ofproto('br0', new MacLearning<Bundle>(new FakeClock(0)));
  const config = { portOf: () => undefined, vlanLimit: 1, recirc: new RecircIds(() => 0) };
  const slow = () => {
    const result = xlateActions(config, new Flow(), {
      entry: { bridge, ofport: 1 },
      actions: [{ type: 'debug_slow' }],
    });
    return actionsOf(result, dpif.actions);
  };
  const [plain] = slow();
  assert.equal(plain?.type, 'userspace');
  const bands = [{ type: 'drop', rate: 1, burstSize: 1, precLevel: 0 }] as const;
  const meter = new Meter({ meterId: OFPM13_SLOWPATH, flags: 2, bands }, 0, dpif.meters);
  bridge.meters.set(OFPM13_SLOWPATH, meter);
  const [metered] = slow();
  assert.ok(metered?.type === 'sample');
  assert.deepEqual(metered.actions, [{ type: 'meter', id: meter.dpId }, plain]);
  assert.equal(dpif.meters.admits(meter.dpId, 100), true);
  assert.equal(dpif.meters.admits(meter.dpId, 100), false);
  assert.deepEqual(meter.stats.bands, [{ packets: 1, bytes: 100 }]);
  meter.remove();
  assert.equal(dpif.meters.stats(meter.dpId), undefined);
});
