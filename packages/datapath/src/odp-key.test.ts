/** Attributes of flow keys that must be there and must not, and what is said where they are wrong. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { keyOfAttrs, OdpKeyError } from './odp-key.ts';
import { parseOdpAttrs } from './odp-parse-flow.ts';

// What dpctl/normalize-actions of a distribution says of them.
const FITNESS = {
  'in_port(1),eth(),eth_type(0x0800),ipv4(proto=6),tcp()': 'perfect',
  'in_port(1),eth(),eth_type(0x0800),ipv4(proto=6)': 'too-little',
  'in_port(1),eth(),eth_type(0x0800),ipv4(proto=6),tcp(),udp()': 'too-much',
  'in_port(1),eth(),eth_type(0x0800),ipv4(proto=6),udp()': 'too-little',
  'in_port(1),eth(),eth_type(0x0800),ipv4(proto=6,frag=later)': 'perfect',
  'in_port(1),eth(),eth_type(0x8100),vlan(vid=1),encap()': 'perfect',
  'in_port(1),eth(),eth_type(0x8100),vlan(vid=1)': 'too-little',
  'in_port(1),eth(),eth_type(0x8100),vlan(vid=1),encap(skb_mark(5))': 'too-much',
  'in_port(1),eth(),eth_type(0x8847),mpls(label=1,bos=0)': 'too-little',
  'in_port(1),eth(),eth_type(0x8847),mpls(label=1,bos=0,label=2,bos=1)': 'perfect',
  'in_port(1),eth(),mpls(label=1,bos=1)': 'perfect',
  'in_port(1),packet_type(ns=1,id=0x86dd),eth_type(0x86dd)': 'too-little',
} as const;

test('attributes that a packet has, one more or one less', () => {
  for (const [text, fitness] of Object.entries(FITNESS)) {
    assert.equal(keyOfAttrs(parseOdpAttrs(text)).fitness, fitness, text);
  }
});

test('labels, packet types and connection tuples are in the key', () => {
  const read = (text: string) => keyOfAttrs(parseOdpAttrs(text)).flow;
  const labels = read('in_port(1),eth(),eth_type(0x8847),mpls(label=1,bos=0,label=2,ttl=3,bos=1)');
  assert.deepEqual([labels.mplsLse0, labels.mplsLse1], [0x1000, 0x2103]);
  assert.equal(read('packet_type(ns=1,id=0x800),eth_type(0x0800),ipv4()').packetType, 0x1_0800);
  assert.equal(read('ct_state(+trk),ct_tuple4(tp_dst=80)').ctTpDst, 80);
  assert.equal(read('ct_tuple4(tp_dst=80)').ctTpDst, 0);
  assert.equal(read('eth()').inPort, 0xffff_ffff);
});

const REFUSED = {
  'in_port(1),in_port(2)':
    'duplicate in_port attribute in flow key; the flow key in error is: in_port(1),in_port(2)',
  'tunnel(tun_id=5,tos=1)':
    'tunnel options missing TTL; the flow key in error is: tunnel(tun_id=0x5,tos=0x1,flags(key))',
  'eth_type(0x100)':
    'invalid Ethertype 256 in flow key; the flow key in error is: eth_type(0x0100)',
  'eth(),eth_type(0x8100),vlan(vid=3,cfi=0),encap()':
    'OVS_KEY_ATTR_VLAN 0x0003 is nonzero but CFI bit is not set; ' +
    'the flow key in error is: eth(src=00:00:00:00:00:00,dst=00:00:00:00:00:00),' +
    'eth_type(0x8100),vlan(vid=3,pcp=0,cfi=0),encap()',
  'mpls(bos=1,label=3,bos=1)':
    'MPLS BOS set in non-innermost label; ' +
    'the flow key in error is: mpls(label=3,tc=0,ttl=0,bos=1,label=0,tc=0,ttl=0,bos=1)',
};

test('what no packet is like is refused in words', () => {
  for (const [text, message] of Object.entries(REFUSED)) {
    const attrs = parseOdpAttrs(text);
    assert.throws(() => keyOfAttrs(attrs), new OdpKeyError(message), text);
  }
});
