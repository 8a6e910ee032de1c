/** Messages in text: names, dumps of what cannot be read, errors. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromHex } from '@heddle/packet';
import fc from 'fast-check';
import { formatBytes, formatMessage } from './index.ts';

const names = {
  ports: { nameOf: (port: number) => (port === 3 ? 'eth0' : undefined), portOf: () => undefined },
};

test('messages have a name, a version and an xid', () => {
  assert.equal(
    formatMessage({ version: 4, xid: 0x1f, type: 'barrier_request' }),
    'OFPT_BARRIER_REQUEST (OF1.3) (xid=0x1f):\n',
  );
  assert.equal(
    formatMessage({ version: 1, xid: 1, type: 'port_request', portNo: 3 }, 1, names),
    'OFPST_PORT request (xid=0x1): port_no=eth0\n',
  );
});

test('what is no message is dumped', () => {
  const dump = '00000000  04 02 00                                        |...             |\n';
  assert.equal(
    formatBytes(fromHex('040200')),
    `OpenFlow packet too short (only 3 bytes):\n${dump}`,
  );
  assert.equal(formatBytes(new Uint8Array()), 'OpenFlow message is empty\n');
});

test('an error shows the message that it is about', () => {
  const data = fromHex('0402000800000009');
  const text = formatMessage({ version: 4, xid: 9, type: 'error', errorType: 1, code: 1, data });
  assert.equal(
    text,
    'OFPT_ERROR (OF1.3) (xid=0x9): OFPBRC_BAD_TYPE\n' +
      'OFPT_ECHO_REQUEST (OF1.3) (xid=0x9): 0 bytes of payload\n',
  );
});

test('a list is printed up to its first error', () => {
  const text = formatBytes(
    fromHex('04130028000000010006000000000000000000000000000000'.padEnd(80, '0')),
  );
  assert.match(text, /^OFPST_GROUP reply \(OF1\.3\) \(xid=0x1\): \*\*\*parse error\*\*\*\n/);
});

test('any bytes have a text', () => {
  const header = fc.tuple(fc.nat(8), fc.nat(40), fc.uint8Array({ maxLength: 200 }));
  fc.assert(
    fc.property(header, fc.nat(5), ([version, type, body], verbosity) => {
      const bytes = new Uint8Array(8 + body.length);
      bytes.set([version, type, 0, bytes.length]);
      bytes.set(body, 8);
      assert.ok(formatBytes(bytes, verbosity).endsWith('\n'));
    }),
    { seed: Number(process.env['HEDDLE_SEED'] ?? 1) },
  );
});
