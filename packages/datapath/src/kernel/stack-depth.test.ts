/** What of BPF programs Linux 6.1 would refuse for the stack that their calls take. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkDisassembly } from './stack-depth.ts';

/** Functions as llvm-objdump shows them: the lowest stack slot that each uses, and whom it calls. */
function disassembly(functions: readonly (readonly [string, number, ...string[]])[]): string {
  return functions
    .map(([name, bytes, ...calls]) =>
      [
        `0000000000000000 <${name}>:`,
        `       0:\t*(u64 *)(r10 - ${bytes}) = r1`,
        '0000000000000008 <LBB0_1>:',
        ...calls.flatMap((c) => ['       1:\tcall -1', `\t\t0000:  R_BPF_64_32\t${c}`]),
      ].join('\n'),
    )
    .join('\n\n');
}

test('512 bytes in a chain of calls are taken, one more is refused', () => {
  const chain = (bytes: number) =>
    disassembly([
      ['port_in', 256, 'pass', 'wide'],
      ['pass', 64, 'run'],
      ['run', bytes, 'bpf_cast_to_kern_ctx'],
      ['wide', 8],
    ]);
  checkDisassembly(chain(192));
  assert.throws(() => checkDisassembly(chain(193)), /544 bytes in 3 frames: port_in > pass > run/);
});

test('each frame takes a multiple of 32 bytes', () => {
  checkDisassembly(
    disassembly([
      ['a', 480, 'b'],
      ['b', 1],
    ]),
  );
  assert.throws(
    () =>
      checkDisassembly(
        disassembly([
          ['a', 481, 'b'],
          ['b', 1],
        ]),
      ),
    /544 bytes in 2 frames/,
  );
});

test('8 frames are taken, 9 refused', () => {
  const chain = (n: number) =>
    disassembly(
      Array.from({ length: n }, (_, i) => [`f${i}`, 8, ...(i < n - 1 ? [`f${i + 1}`] : [])]),
    );
  checkDisassembly(chain(8));
  assert.throws(() => checkDisassembly(chain(9)), /in 9 frames/);
});

test('what a pointer into the frame reaches counts', () => {
  const text = '0 <a>:\n 1:\tr2 = r10\n 2:\tr2 += -520\n 3:\tcall 1';
  assert.throws(() => checkDisassembly(text), /544 bytes in 1 frames: a/);
  checkDisassembly('0 <a>:\n 1:\tr2 = r1\n 2:\tr2 += -520');
});

test('recursion is refused', () => {
  assert.throws(
    () =>
      checkDisassembly(
        disassembly([
          ['a', 8, 'b'],
          ['b', 8, 'a'],
        ]),
      ),
    /calls itself/,
  );
});
