/** Captures that are whole, cut, or none: ovs-pcap and ovs-ofctl say of them what upstream's do. */
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { emitPcapHeader, emitPcapRecord } from '@heddle/packet';
import { arp, ethernet } from '@heddle/packet/build';
import { REPOSITORY, run, Scope } from '@heddle/testing';

const FRAME = ethernet(
  { dst: '02:00:00:00:00:02', src: '02:00:00:00:00:01' },
  arp({ op: 1, spa: '10.0.0.1', tpa: '10.0.0.2', sha: '02:00:00:00:00:01' }),
);

function files(): Record<string, Uint8Array> {
  const record = emitPcapRecord({ timeUs: 1, data: FRAME });
  const whole = Buffer.concat([emitPcapHeader(), record, record]);
  const sll = Buffer.from(`000000010006${'020000000001'}00000806`, 'hex');
  const ofType = (linktype: number, frame: Uint8Array) => {
    const file = Buffer.concat([emitPcapHeader(), emitPcapRecord({ timeUs: 1, data: frame })]);
    file.writeUInt32LE(linktype, 20);
    return file;
  };
  return {
    whole,
    cooked: ofType(113, Buffer.concat([sll, FRAME.subarray(14)])),
    radio: ofType(127, FRAME),
    'no-packets': whole.subarray(0, 24),
    'within-packet': whole.subarray(0, -1),
    garbage: whole.subarray(4),
    empty: new Uint8Array(),
  };
}

const COMMANDS = [['ovs-pcap'], ['ovs-ofctl', 'ofp-parse-pcap'], ['ovs-ofctl', 'parse-pcap']];

test('what is said of captures', async () => {
  await using scope = new Scope();
  const directory = scope.directory('captures');
  const names = Object.entries(files()).map(([name, bytes]) => {
    writeFileSync(join(directory, name), bytes);
    return name;
  });
  mkdirSync(join(directory, 'directory'));
  for (const command of COMMANDS) {
    for (const name of [...names, 'directory', 'missing']) {
      const told = await Promise.all(
        ['/usr/bin', join(REPOSITORY, 'bin')].map(async (bin) => {
          const [program = '', ...words] = command;
          const ran = await run([join(bin, program), ...words, join(directory, name)]);
          const file = `${join(directory, name)}: `;
          const stderr = ran.stderr
            // What Python says of files that it cannot open ends a stack trace.
            .replace(/^Traceback[\s\S]*\[Errno \d+\] (.*): .*\n/, 'ovs-pcap: $1\n')
            .replaceAll(/^\S+\|\d+\|/gm, '')
            .replaceAll(/^\S*\/(?=ovs-\w+:)/gm, '')
            // Ours alone says so.
            .replace(/^warning: no OpenFlow messages .*\n/m, '')
            .replaceAll(file, '');
          return { code: ran.code, stderr, stdout: ran.stdout.replaceAll('in_port=ANY,', '') };
        }),
      );
      assert.deepEqual(told[1], told[0], `${command.join(' ')} of ${name}`);
    }
  }
});
