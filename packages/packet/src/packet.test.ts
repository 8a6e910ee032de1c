/** Addresses, the flow key's accessors, masks, checksums, builders, extraction, pcap and the table of fields. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  formatIpv4,
  formatIpv6,
  formatMac,
  isMulticastMac,
  parseIpv4,
  parseIpv6,
  parseMac,
} from './address.ts';
import { ethernet, icmp, ipv4, ipv6, tcp, udp } from './build.ts';
import { fromHex, toHex } from './bytes.ts';
import {
  checksum,
  csumAdd,
  csumFinish,
  csumPseudo,
  recalcCsum16,
  recalcCsum32,
} from './checksum.ts';
import { extractFlow, PacketLayout } from './extract.ts';
import { codePointClass, FIELDS, fieldByName, fieldSlot } from './fields.ts';
import {
  Flow,
  flowAnd,
  flowEquals,
  flowHash,
  flowHashMasked,
  flowHashWords,
  flowIsZero,
  flowMatches,
  flowMatchesWords,
  flowOr,
  isSubset,
  maskWords,
} from './flow.ts';
import { KEY_SLOTS, kindSize } from './key-layout.ts';
import { emitPcapHeader, emitPcapRecord, parsePcap } from './pcap.ts';

test('addresses', () => {
  assert.equal(formatMac(0x0a0b0c0d0e0f), '0a:0b:0c:0d:0e:0f');
  assert.equal(parseMac('0a:0b:0c:0d:0e:0f'), 0x0a0b0c0d0e0f);
  for (const bad of [
    '',
    '0a:0b',
    '0a:0b:0c:0d:0e:0g',
    '0a:0b:0c:0d:0e:0f:00',
    '0a-0b-0c-0d-0e-0f',
  ]) {
    assert.equal(parseMac(bad), undefined, bad);
  }
  assert.ok(isMulticastMac(0xffffffffffff) && isMulticastMac(0x0180c2000000));
  assert.ok(!isMulticastMac(0x020000000001));
  for (const bad of ['1.2.3', '1.2.3.4.5', '256.1.1.1', '01.2.3.4', '1.2.3.-4']) {
    assert.equal(parseIpv4(bad), undefined, bad);
  }
  const v6 = ['::', '::1', 'fe80::1', '2001:db8::1:0:0:1', '1:2:3:4:5:6:7:8', '::ffff:1.2.3.4'];
  for (const text of [...v6, '::1.2.3.4', '1:0:3:4:5:6:7:8', 'ff02::', '1::8', '::2:0:0:1']) {
    assert.equal(formatIpv6(parseIpv6(text)!), text);
  }
  for (const bad of ['', ':', ':::', '1::2::3', '1:2:3', '12345::', '1:2:3:4:5:6:7:8:9', 'g::']) {
    assert.equal(parseIpv6(bad), undefined, bad);
  }
});

test('parse of format is the identity for addresses', () => {
  fc.assert(fc.property(fc.nat(0xffffffff), (ip) => parseIpv4(formatIpv4(ip)) === ip));
  const mac = fc.integer({ min: 0, max: 2 ** 48 - 1 });
  fc.assert(fc.property(mac, (m) => parseMac(formatMac(m)) === m));
  const ip6 = fc.array(fc.constantFrom(0, 0, 1, 0xff), { minLength: 16, maxLength: 16 });
  fc.assert(
    fc.property(ip6, (bytes) => {
      const ip = Uint8Array.from(bytes);
      assert.deepEqual(parseIpv6(formatIpv6(ip)), ip);
    }),
  );
});

test('every accessor reads what was written and touches nothing else', () => {
  for (const [name, { kind, offset }] of KEY_SLOTS) {
    const flow = new Flow();
    const record = flow as unknown as Record<string, number | bigint | Uint8Array>;
    const full = new Map<string, number | bigint | Uint8Array>([
      ['u8', 0xa5],
      ['u16', 0xa5b6],
      ['be16', 0xa5b6],
      ['u32', 0xa5b6c7d8],
      ['be32', 0xa5b6c7d8],
      ['be48', 0xa5b6c7d8e9fa],
      ['be64', 0xa5b6c7d8e9fa0b1cn],
      ['u128', 0xa5b6c7d8e9fa0b1ca5b6c7d8e9fa0b1dn],
      ['bytes16', Uint8Array.from({ length: 16 }, (_, i) => i + 1)],
      ['bytes12', Uint8Array.from({ length: 12 }, (_, i) => i)],
      ['bytes256', Uint8Array.from({ length: 256 }, (_, i) => i)],
    ]).get(kind)!;
    record[name] = full;
    assert.deepEqual(record[name], full, name);
    flow.u8.fill(0, offset, offset + kindSize(kind));
    assert.ok(flowIsZero(flow), name);
  }
});

test('masks', () => {
  const words = fc.array(fc.nat(0xffffffff), { minLength: 50, maxLength: 50 });
  const flow = words.map((w) => {
    const f = new Flow();
    f.u32.set(w);
    return f;
  });
  fc.assert(
    fc.property(flow, flow, flow, (key, mask, other) => {
      const masked = flowAnd(key, mask);
      assert.ok(flowMatches(key, masked, mask));
      assert.ok(isSubset(masked, mask) && isSubset(mask, flowOr(mask, other)));
      assert.equal(flowHashMasked(key, mask), flowHashMasked(masked, mask));
      assert.equal(flowMatches(other, masked, mask), flowEquals(flowAnd(other, mask), masked));
      const words = maskWords(mask);
      assert.equal(flowHashWords(key, mask, words), flowHashMasked(masked, mask));
      assert.equal(flowMatchesWords(other, masked, mask, words), flowMatches(other, masked, mask));
      assert.equal(flowHash(key), flowHash(key.clone()));
    }),
  );
});

test('checksums', () => {
  // RFC 1071, section 3.
  const dv = new DataView(fromHex('0001f203f4f5f6f7').buffer as ArrayBuffer);
  assert.equal(checksum(dv, 0, 8), 0x220d);
  const words = fc.array(fc.nat(0xffff), { minLength: 4, maxLength: 20 });
  fc.assert(
    fc.property(words, fc.nat(0xffff), fc.nat(0xffff), (list, high, low) => {
      const view = new DataView(new ArrayBuffer(list.length * 2));
      for (const [i, w] of list.entries()) view.setUint16(2 * i, w | 1);
      const old = checksum(view, 0, view.byteLength);
      const was = view.getUint32(0);
      view.setUint16(0, high | 1);
      const one = recalcCsum16(old, was >>> 16, high | 1);
      assert.equal(one, checksum(view, 0, view.byteLength));
      view.setUint16(2, low | 1);
      assert.equal(recalcCsum32(old, was, view.getUint32(0)), checksum(view, 0, view.byteLength));
    }),
  );
});

const ENDS = { dst: '02:00:00:00:00:02', src: '02:00:00:00:00:01' };
const V4 = { src: '10.0.0.1', dst: '10.0.0.2' };

test('builders fill in checksums', () => {
  for (const payload of [udp({ src: 1, dst: 2 }, fromHex('010203')), tcp({ src: 1, dst: 2 })]) {
    const frame = ethernet(ENDS, ipv4(V4, payload));
    const dv = new DataView(frame.buffer);
    assert.equal(checksum(dv, 14, 20), 0);
    const length = frame.length - 34;
    const sum = csumPseudo(dv, 26, 4, frame[23]!, length);
    assert.equal(csumFinish(csumAdd(dv, 34, length, sum)), 0);
  }
  const six = ethernet(ENDS, ipv6({ src: 'fd00::1', dst: 'fd00::2' }, udp({ src: 1, dst: 2 })));
  const dv = new DataView(six.buffer);
  assert.equal(csumFinish(csumAdd(dv, 54, 8, csumPseudo(dv, 22, 16, 17, 8))), 0);
  assert.equal(toHex(icmp({ type: 8 }).bytes), '0800f7ff00000000');
});

test('extraction survives every length of anything and reads nothing beyond', () => {
  const layout = new PacketLayout();
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 0, maxLength: 120 }), fc.nat(5), (bytes, kind) => {
      const type = [0x0800, 0x86dd, 0x0806, 0x8100, 0x88a8, 0x0040][kind]!;
      if (bytes.length >= 15) [bytes[12], bytes[13]] = [type >>> 8, type & 0xff];
      if (kind === 0 && bytes.length >= 15) bytes[14] = 0x45;
      for (let n = 0; n <= bytes.length; n++) {
        // The same bytes, cut, and followed by others: the others must make no difference.
        const apart = extractFlow(bytes.slice(0, n), { inPort: 1 });
        const within = new Uint8Array(n + 64).fill(0xff);
        within.set(bytes.subarray(0, n));
        const cut = extractFlow(within.subarray(0, n), { inPort: 1 }, undefined, layout);
        assert.ok(flowEquals(apart, cut));
        assert.ok(layout.l3 <= n && layout.l4 <= n && layout.end <= n);
        assert.ok(apart.u8.subarray(200).every((b) => b === 0));
      }
    }),
    { numRuns: 200 },
  );
});

test('pcap records survive a round trip, a cut one is left out', () => {
  const records = [
    { timeUs: 1_700_000_000_123_456, data: fromHex('0102') },
    { timeUs: 1_700_000_001_000_000, data: new Uint8Array(1500).fill(7) },
  ];
  const parts = [emitPcapHeader(), ...records.map(emitPcapRecord)];
  const file = Uint8Array.from(parts.flatMap((p) => [...p]));
  assert.deepEqual(parsePcap(file), records);
  assert.deepEqual(parsePcap(file.subarray(0, file.length - 1)), records.slice(0, 1));
  assert.throws(() => parsePcap(fromHex('00'.repeat(24))), /bad magic/);
  new DataView(file.buffer).setUint32(20, 127, true);
  assert.throws(() => parsePcap(file), /unknown network type 127/);
});

test('packets of captures of all devices have their source and type', () => {
  const cooked = {
    113: '0000000100060200000000010000' + '0800' + '45',
    276: '0800' + '0000' + '00000007' + '0001' + '00' + '06' + '0200000000010000' + '45',
  };
  for (const [linktype, hex] of Object.entries(cooked)) {
    const record = emitPcapRecord({ timeUs: 0, data: fromHex(hex) });
    const file = Uint8Array.from([...emitPcapHeader(), ...record]);
    new DataView(file.buffer).setUint32(20, Number(linktype), true);
    const [packet] = parsePcap(file);
    assert.equal(toHex(packet!.data), '000000000000020000000001080045', linktype);
  }
});

test('the table of fields', () => {
  assert.equal(fieldByName('dl_src'), fieldByName('eth_src'));
  assert.deepEqual(fieldByName('reg15')?.nxm, ['NXM_NX_REG15', 15]);
  assert.deepEqual(fieldByName('xreg7')?.oxm, ['OXM_OF_PKT_REG7', 7]);
  assert.deepEqual(codePointClass(['NXOXM_NSH_SI', 5]), { cls: 0xffff, vendor: 0x005ad650 });
  assert.deepEqual(codePointClass(['OXM_OF_PKT_REG0', 0]), { cls: 0x8001, vendor: 0 });
  const points = new Set<string>();
  for (const field of FIELDS) {
    if (field.key !== undefined) assert.ok(fieldSlot(field), field.name);
    for (const point of [field.oxm, field.nxm]) {
      if (point === undefined) continue;
      const { cls, vendor } = codePointClass(point);
      const id = `${cls}/${vendor}/${point[1]}`;
      assert.ok(!points.has(id), point[0]);
      points.add(id);
    }
  }
});
