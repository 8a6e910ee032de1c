/** What controllers are told of a packet's pipeline. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatMatch } from '@heddle/openflow';
import { Flow } from '@heddle/packet';
import type { Ofproto } from '../ofproto.ts';
import { metadataOf } from './packet-metadata.ts';
import type { FrozenState } from './recirc.ts';

const STATE: FrozenState = {
  bridge: { tlv: { mappings: [] } } as unknown as Ofproto,
  ofport: 3,
  tableId: undefined,
  cookie: 0n,
  metadata: new Flow(),
  stack: [],
  actionSet: [],
  rests: [],
  conntracked: false,
  wasMpls: false,
  isHashed: false,
  mirrored: 0,
  pauseReason: '',
};

test('what ct() has tracked is untracked behind it', () => {
  const flow = new Flow();
  Object.assign(flow, { ctState: 0x21, ctZone: 5 });
  assert.equal(formatMatch(metadataOf(flow, STATE)), 'in_port=3');
  const tracked = formatMatch(metadataOf(flow, { ...STATE, conntracked: true }));
  assert.equal(tracked, 'ct_state=new|trk,ct_zone=5,in_port=3');
});

test('a packet without an Ethernet header says what it is', () => {
  const flow = new Flow();
  flow.packetType = 0x1894f;
  assert.equal(formatMatch(metadataOf(flow, STATE)), 'packet_type=(1,0x894f),in_port=3');
});
