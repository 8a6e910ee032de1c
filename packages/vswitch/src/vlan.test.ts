/** VLAN modes: what comes in at a port and what goes out, tag by tag. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FakeClock } from '@heddle/runtime';
import { MacLearning } from './mac-learning.ts';
import { Bundle, Ofproto } from './ofproto.ts';
import {
  includesVlan,
  inputRefusal,
  inputTranslate,
  outputTranslate,
  tagsFromStack,
  type VlanTag,
} from './vlan.ts';

type Settings = Partial<
  Pick<Bundle, 'vlanMode' | 'vlan' | 'trunks' | 'cvlans' | 'qinqEthtype' | 'priorityTags'>
>;

function port(settings: Settings): Bundle {
  const bridge = new Ofproto('br0', new MacLearning<Bundle>(new FakeClock()));
  return Object.assign(new Bundle('p', bridge), settings);
}

const tag = (vid: number, pcp = 0, tpid = 0x8100): VlanTag => ({ tpid, vid, pcp });

const trunk: Settings = { vlanMode: 'trunk' };
const trunkOf5: Settings = { vlanMode: 'trunk', trunks: new Set([5]) };
const access: Settings = { vlanMode: 'access', vlan: 5 };
const nativeTagged: Settings = { vlanMode: 'native-tagged', vlan: 5 };
const nativeUntagged: Settings = { vlanMode: 'native-untagged', vlan: 5 };
const tunnel: Settings = { vlanMode: 'dot1q-tunnel', vlan: 5 };
const tunnelOf7: Settings = { ...tunnel, cvlans: new Set([7]) };

describe('a packet that comes in', () => {
  const rows: readonly [string, Settings, VlanTag[], number | 'refused'][] = [
    ['access, untagged', access, [], 5],
    ['access, priority-tagged', access, [tag(0, 3)], 5],
    ['access, tagged with its own VLAN', access, [tag(5)], 'refused'],
    ['trunk, untagged', trunk, [], 0],
    ['trunk, tagged', trunk, [tag(9)], 9],
    ['trunk, a VLAN that it carries', trunkOf5, [tag(5)], 5],
    ['trunk, a VLAN that it does not', trunkOf5, [tag(6)], 'refused'],
    ['trunk without VLAN 0, untagged', trunkOf5, [], 'refused'],
    ['native-tagged, untagged', nativeTagged, [], 5],
    ['native-untagged, tagged with another', nativeUntagged, [tag(6)], 6],
    ['dot1q-tunnel, tagged', tunnel, [tag(9)], 5],
    ['dot1q-tunnel, a customer VLAN that it carries', tunnelOf7, [tag(7)], 5],
    ['dot1q-tunnel, one that it does not', tunnelOf7, [tag(8)], 'refused'],
  ];
  for (const [name, settings, stack, expected] of rows) {
    it(name, () => {
      const bundle = port(settings);
      const tags = tagsFromStack(stack);
      const refusal = inputRefusal(bundle, tags[0].vid);
      assert.equal(refusal ? 'refused' : inputTranslate(bundle, tags)[0].vid, expected);
    });
  }
});

describe('a packet that goes out', () => {
  const s88a8 = tag(5, 0, 0x88a8);
  const rows: readonly [string, Settings, VlanTag[], VlanTag[] | 'kept in'][] = [
    ['access, its VLAN', access, [tag(5)], []],
    ['access, another', access, [tag(6)], 'kept in'],
    ['trunk', trunk, [tag(6, 2)], [tag(6, 2)]],
    ['trunk, a VLAN that it does not carry', trunkOf5, [tag(6)], 'kept in'],
    ['native-tagged, the native VLAN', nativeTagged, [tag(5)], [tag(5)]],
    ['native-untagged, the native VLAN', nativeUntagged, [tag(5)], []],
    ['native-untagged, another', nativeUntagged, [tag(6)], [tag(6)]],
    ['dot1q-tunnel', tunnel, [s88a8, tag(7)], [tag(7)]],
    ['dot1q-tunnel, another customer', tunnelOf7, [s88a8, tag(8)], 'kept in'],
  ];
  for (const [name, settings, stack, expected] of rows) {
    it(name, () => {
      const bundle = port(settings);
      const tags = tagsFromStack(stack);
      const out = includesVlan(bundle, tags) ? outputTranslate(bundle, tags, tags) : 'kept in';
      assert.deepEqual(out, expected);
    });
  }
});
