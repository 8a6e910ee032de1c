/** Which connections lines of FTP's control connection announce, and how they are rewritten. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseIpv6 } from '@heddle/packet';
import { Random } from '../oracle/random-frame.ts';
import { type FtpSide, parseFtp } from './ftp.ts';

const CLIENT: FtpSide = { isReply: false, v6: false };
const SERVER: FtpSide = { isReply: true, v6: false };
const CLIENT6: FtpSide = { isReply: false, v6: true };
const SERVER6: FtpSide = { isReply: true, v6: true };

function read(text: string, side: FtpSide): unknown {
  const said = parseFtp(text, side);
  if (said === undefined || said === 'invalid') return said;
  return [said.address && [...said.address], said.port, text.slice(said.at, said.end)];
}

describe('what FTP announces', () => {
  it('reads PORT and 227', () => {
    const numbers = '10,0,0,1,200,10';
    const expected = [[10, 0, 0, 1], 51210, numbers];
    for (const text of [`PORT ${numbers}\r\n`, `port  ${numbers}\n`, `PORT ${numbers}x\r\n`])
      assert.deepEqual(read(text, CLIENT), expected, text);
    for (const text of [
      `227 Entering (${numbers}).\r\n`,
      `227 =${numbers}\r\n`,
      `227 (${numbers})`,
    ])
      assert.deepEqual(read(text, SERVER), expected, text);
  });

  it('reads EPRT and 229', () => {
    const address = [...parseIpv6('fd00::1')!];
    const eprt = read('EPRT |2|fd00::1|51210|\r\n', CLIENT6);
    assert.deepEqual(eprt, [address, 51210, '2|fd00::1|51210']);
    assert.deepEqual(read('EPRT |1|1.2.3.4|5|\r\n', CLIENT), [[1, 2, 3, 4], 5, '1|1.2.3.4|5']);
    for (const side of [SERVER, SERVER6])
      assert.deepEqual(read('229 Come in (|||51210|)\r\n', side), [undefined, 51210, '51210']);
  });

  it('takes what cannot be read for invalid', () => {
    for (const text of [
      'PORT \r\n',
      'PORT 10,0,0,1,200\r\n',
      'PORT 10,0,0,256,1,1\r\n',
      'EPRT |2|::|1|\r\n',
    ])
      assert.equal(read(text, CLIENT), 'invalid', text);
    assert.equal(read('EPRT |2|fd00::1|70000|\r\n', CLIENT6), 'invalid');
    assert.equal(read('229 (|||70000|)\r\n', SERVER6), 'invalid');
  });

  it('takes a number that may go on in the next segment for invalid', () => {
    for (const text of ['PORT 10,0,0,1,200,1', `PORT${' '.repeat(110)}10,0,0,1,200,10\r\n`])
      assert.equal(read(text, CLIENT), 'invalid', text);
    assert.equal(read('EPRT |1|10.0.0.1|512', CLIENT), 'invalid');
  });

  it('leaves all else alone', () => {
    for (const text of [
      '',
      'P',
      'PORT',
      'NOOP\r\n',
      'XPORT 1,1,1,1,1,1\r\n',
      '227 (1,1,1,1,1,1)\r\n',
    ])
      assert.equal(read(text, CLIENT), undefined, text);
    assert.equal(read('PORT 1,1,1,1,1,1\r\n', SERVER), undefined);
    assert.equal(read('PORT 1,1,1,1,1,1\r\n', CLIENT6), undefined);
  });

  it('writes what it reads', () => {
    for (const [text, side, to, expected] of [
      ['PORT 10,0,0,1,200,10\r\n', CLIENT, [1, 2, 3, 4], '1,2,3,4,1,2'],
      ['EPRT !1!10.0.0.1!51210!\r\n', CLIENT, [1, 2, 3, 4], '1!1.2.3.4!258'],
      ['EPRT |2|fd00::1|51210|\r\n', CLIENT6, parseIpv6('fe80::2')!, '2|fe80::2|258'],
      ['229 (|||51210|)\r\n', SERVER6, [], '258'],
    ] as const) {
      const said = parseFtp(text, side);
      assert.ok(said !== undefined && said !== 'invalid');
      assert.equal(said.write(Uint8Array.from(to), 258), expected);
    }
  });

  it('survives random text', () => {
    const r = new Random(Number(process.env['HEDDLE_SEED'] ?? 1));
    const parts = [
      'PORT ',
      'EPRT ',
      '227 ',
      '229 ',
      '(',
      '|',
      ',',
      '1',
      '65535',
      '::',
      '\r\n',
      ' ',
      '\0',
      '999999999999',
    ];
    for (let i = 0; i < Number(process.env['HEDDLE_COUNT'] ?? 3000); i++) {
      const text = Array.from({ length: r.below(24) }, () => r.pick(parts)).join('');
      for (const side of [CLIENT, SERVER, CLIENT6, SERVER6]) {
        const said = parseFtp(text, side);
        if (said === undefined || said === 'invalid') continue;
        assert.ok(said.at < said.end && said.end <= text.length, text);
        assert.ok(said.port >= 0 && said.port <= 65535, text);
        assert.equal(said.address?.length ?? 0, said.address ? (side.v6 ? 16 : 4) : 0, text);
      }
    }
  });
});
