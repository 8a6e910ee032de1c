/** Generated code is fresh, and extraction reads frames as it says. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { formatMac } from './address.ts';
import { ethernet, ipv4, udp, vlan } from './build.ts';
import * as x from './extract.ts';
import * as l4 from './extract-l4.ts';
import { Flow } from './flow.ts';
import { GENERATED_H, GENERATED_TS, generateH, generateTs } from './generate-flow.ts';
import { KEY_SLOTS } from './key-layout.ts';

test('generated files are fresh', () => {
  assert.equal(readFileSync(GENERATED_TS, 'utf8'), generateTs());
  assert.equal(readFileSync(GENERATED_H, 'utf8'), generateH());
});

test('offsets used by extraction are those of the layout', () => {
  const slots = { dlDst: x.DL_DST, dlType: x.DL_TYPE, dlSrc: x.DL_SRC, vlanTci0: x.VLAN0_TCI };
  const more = { nwSrc: x.NW_SRC, nwDst: x.NW_DST, arpSha: x.ARP_SHA, arpTha: x.ARP_THA };
  const last = { tcpFlags: l4.TCP_FLAGS, tpSrc: l4.TP_SRC, ndTarget: l4.ND_TARGET };
  for (const [name, offset] of Object.entries({ ...slots, ...more, ...last })) {
    assert.equal(KEY_SLOTS.get(name)?.offset, offset, name);
  }
});

test('two tags, IPv4 and UDP', () => {
  const inner = ipv4({ src: '10.0.0.1', dst: '10.0.0.2', tos: 4 }, udp({ src: 1000, dst: 53 }));
  const frame = ethernet(
    { dst: '02:00:00:00:00:02', src: '02:00:00:00:00:01' },
    vlan({ vid: 5, pcp: 3, tpid: 0x88a8 }, vlan({ vid: 7 }, inner)),
  );
  const flow = x.extractFlow(frame, { inPort: 3 }, new Flow());
  assert.equal(formatMac(flow.dlSrc), '02:00:00:00:00:01');
  assert.deepEqual([flow.vlanTci0, flow.vlanTpid0], [0x7005, 0x88a8]);
  assert.deepEqual([flow.vlanTci1, flow.vlanTpid1], [0x1007, 0x8100]);
  assert.deepEqual([flow.nwSrc, flow.nwDst, flow.nwTos], [0x0a000001, 0x0a000002, 4]);
  assert.deepEqual([flow.inPort, flow.dlType, flow.tpSrc, flow.tpDst], [3, 0x800, 1000, 53]);
});
