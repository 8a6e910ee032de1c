/** Captures of other programs: pcap and pcapng of each kind, cut short and damaged. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Capture, CaptureFileError, readCapture } from './capture-file.ts';

const FRAME = Uint8Array.from({ length: 61 }, (_, i) => i);

/** Fields of 1, 2 and 4 bytes in either order, and bytes as they are. */
function bytes(isLittle: boolean, ...parts: (Uint8Array | readonly [1 | 2 | 4, number])[]): Buffer {
  return Buffer.concat(
    parts.map((part) => {
      if (part instanceof Uint8Array) return part;
      const [size, value] = part;
      const number = Buffer.alloc(size);
      if (isLittle) number.writeUIntLE(value, 0, size);
      else number.writeUIntBE(value, 0, size);
      return number;
    }),
  );
}

interface Shape {
  readonly magic?: number;
  readonly isLittle?: boolean;
  readonly network?: number;
}

function pcap(
  { magic = 0xa1b2c3d4, isLittle = true, network = 1 }: Shape,
  ...frames: Uint8Array[]
) {
  const header = bytes(isLittle, [4, magic], [2, 2], [2, 4], [4, 0], [4, 0], [4, 65535]);
  const more = magic === 0xa1b2cd34 ? Buffer.alloc(8) : Buffer.alloc(0);
  const records = frames.map((f) =>
    bytes(isLittle, [4, 1], [4, 2], [4, f.length], [4, f.length], more, f),
  );
  return Buffer.concat([header, bytes(isLittle, [4, network]), ...records]);
}

function block(isLittle: boolean, type: number, body: Uint8Array): Buffer {
  const padded = Buffer.concat([body, Buffer.alloc(-body.length & 3)]);
  const length = 12 + padded.length;
  return bytes(isLittle, [4, type], [4, length], padded, [4, length]);
}

function section(le: boolean): Buffer {
  const unknown = Buffer.alloc(8, 0xff);
  return block(le, 0x0a0d0d0a, bytes(le, [4, 0x1a2b3c4d], [2, 1], [2, 0], unknown));
}

function device(le: boolean, linktype: number, snaplen = 0, options: Buffer = Buffer.alloc(0)) {
  return block(le, 1, bytes(le, [2, linktype], [2, 0], [4, snaplen], options));
}

function enhanced(le: boolean, iface: number, frame: Uint8Array, length = frame.length): Buffer {
  const times = [
    [4, 0],
    [4, 7],
  ] as const;
  return block(le, 6, bytes(le, [4, iface], ...times, [4, frame.length], [4, length], frame));
}

const told = ({ frames, foreign, damage }: Capture) => ({
  frames: frames.map(({ data, length }) => [Buffer.from(data).toString('hex'), length]),
  foreign: Object.fromEntries(foreign),
  damage,
});
const HEX = Buffer.from(FRAME).toString('hex');

test('pcap in each byte order and precision', () => {
  for (const magic of [0xa1b2c3d4, 0xa1b23c4d, 0xa1b2cd34]) {
    for (const isLittle of [true, false]) {
      const capture = readCapture(pcap({ magic, isLittle }, FRAME, FRAME));
      const expected = { frames: Array(2).fill([HEX, 61]), foreign: {}, damage: undefined };
      assert.deepEqual(told(capture), expected, `${magic.toString(16)}, ${isLittle}`);
    }
  }
});

test('pcapng in each byte order, with blocks of each kind that holds packets', () => {
  for (const le of [true, false]) {
    const fcs = bytes(le, [2, 13], [2, 1], [1, 4], Buffer.alloc(3), [2, 0], [2, 0]);
    const cut = FRAME.subarray(0, 60);
    const file = Buffer.concat([
      section(le),
      device(le, 1, 60),
      device(le, 276),
      device(le, 1, 0, fcs),
      block(le, 0xbad, FRAME),
      enhanced(le, 0, FRAME, 1514),
      enhanced(le, 1, FRAME),
      enhanced(le, 2, FRAME),
      block(le, 3, bytes(le, [4, 61], cut)),
      block(le, 2, bytes(le, [2, 0], [2, 0], [4, 0], [4, 0], [4, 61], [4, 61], FRAME)),
      // Another section, of the other order and with devices of its own.
      section(!le),
      device(!le, 127),
      enhanced(!le, 0, FRAME),
    ]);
    assert.deepEqual(told(readCapture(file)), {
      frames: [
        [HEX, 1514],
        [HEX.slice(0, 2 * 57), 57],
        [HEX.slice(0, 2 * 60), 61],
        [HEX, 61],
      ],
      foreign: { 'LINUX_SLL2 (276)': 1, 'IEEE802_11_RADIOTAP (127)': 1 },
      damage: undefined,
    });
  }
});

test('link types that are not Ethernet, and check sequences', () => {
  const radio = readCapture(pcap({ network: 127 }, FRAME, FRAME));
  assert.deepEqual(told(radio).foreign, { 'IEEE802_11_RADIOTAP (127)': 2 });
  assert.deepEqual(radio.frames, []);
  const withFcs = readCapture(pcap({ network: 0x24000001 }, FRAME));
  assert.deepEqual(told(withFcs).frames, [[HEX.slice(0, 2 * 57), 57]]);
});

test('what is no capture says what it is', () => {
  const refused: [Uint8Array, RegExp][] = [
    [new Uint8Array(), /is empty/],
    [Uint8Array.of(1), /neither a pcap nor a pcapng file/],
    [new Uint8Array(100).fill(7), /neither a pcap nor a pcapng file/],
    [Uint8Array.of(0x1f, 0x8b, 8, 0, 0, 0, 0, 0), /gunzip it first/],
    [pcap({}).subarray(0, 20), /ends within its header/],
  ];
  for (const [file, why] of refused) {
    assert.throws(
      () => readCapture(file),
      (error) => {
        assert.ok(error instanceof CaptureFileError);
        assert.match(error.message, why);
        return true;
      },
    );
  }
});

test('a file that ends anywhere gives what comes before, and says where it stopped', () => {
  const files = [
    pcap({}, FRAME, FRAME),
    Buffer.concat([section(true), device(true, 1), enhanced(true, 0, FRAME), section(true)]),
  ];
  const all = files.map((file) => readCapture(file).frames);
  for (const [n, file] of files.entries()) {
    for (let end = 24; end < file.length; end++) {
      const { frames, damage } = readCapture(file.subarray(0, end));
      assert.deepEqual(frames, all[n]!.slice(0, frames.length), `up to ${end}`);
      const isBetween = frames.length === all[n]!.length || damage === undefined;
      assert.ok(isBetween || /at byte \d+ (is cut short|.*bytes)/.test(damage!), damage);
    }
  }
});

test('a damaged byte anywhere ends in an error of the file or in what could be read', () => {
  const file = Buffer.concat([section(true), device(true, 1), enhanced(true, 0, FRAME)]);
  for (const original of [file, pcap({}, FRAME, FRAME)]) {
    for (let at = 0; at < original.length; at++) {
      for (const octet of [0, 1, 0x7f, 0xff]) {
        const damaged = Buffer.from(original);
        damaged[at] = octet;
        try {
          for (const { data, length } of readCapture(damaged).frames) {
            assert.ok(data.length <= length && length <= 0x40000);
          }
        } catch (error) {
          assert.ok(error instanceof CaptureFileError, String(error));
        }
      }
    }
  }
});

test('a packet that cannot be that long ends it', () => {
  const file = pcap({}, FRAME, FRAME);
  file.writeUInt32LE(0x7fffffff, 24 + 16 + 61 + 8);
  const { frames, damage } = readCapture(file);
  assert.equal(frames.length, 1);
  assert.equal(damage, 'the packet at byte 101 cannot have 2147483647 bytes');
});
