/** Command lines as getopt_long(3) takes them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { listOptions, type OptionSpec, parseOptions, UsageError } from './options.ts';

const TABLE: readonly OptionSpec[] = [
  { long: 'target', short: 't', argument: 'TARGET' },
  { long: 'timeout', short: 'T', argument: 'SECS' },
  { long: 'verbose', short: 'v', argument: 'SPEC', optional: true },
  { long: 'version', short: 'V' },
  { long: 'dry-run', short: 'n' },
];

function parse(...argv: string[]) {
  const { options, args } = parseOptions('prog', TABLE, argv);
  return [...options.map(({ spec, value }) => [spec.long, value]), args];
}

test('long, short, bundled and abbreviated options; operands in between', () => {
  assert.deepEqual(parse('a', '--target=x', 'b', '-t', 'y', '-nVtz', '--dry', '-T5'), [
    ['target', 'x'],
    ['target', 'y'],
    ['dry-run', undefined],
    ['version', undefined],
    ['target', 'z'],
    ['dry-run', undefined],
    ['timeout', '5'],
    ['a', 'b'],
  ]);
});

test('an optional argument must be attached', () => {
  assert.deepEqual(parse('-v', 'x'), [['verbose', undefined], ['x']]);
  assert.deepEqual(parse('-vfile:dbg', '--verbose', '--verbose='), [
    ['verbose', 'file:dbg'],
    ['verbose', undefined],
    ['verbose', ''],
    [],
  ]);
});

test('-- ends options, - is an operand, posix stops at the first operand', () => {
  assert.deepEqual(parse('-', '--', '-n', '--'), [['-', '-n', '--']]);
  const { options, args } = parseOptions('prog', TABLE, ['-n', 'cmd', '-n', '--x'], true);
  assert.equal(options.length, 1);
  assert.deepEqual(args, ['cmd', '-n', '--x']);
});

/** Each text is what getopt_long of the C library says. */
test('errors in the words of the C library', () => {
  const cases: [string[], string][] = [
    [['--bogus'], "prog: unrecognized option '--bogus'"],
    [['--bogus=1'], "prog: unrecognized option '--bogus=1'"],
    [['-x'], "prog: invalid option -- 'x'"],
    [['-t'], "prog: option requires an argument -- 't'"],
    [['--target'], "prog: option '--target' requires an argument"],
    [['--dry-run=1'], "prog: option '--dry-run' doesn't allow an argument"],
    [['--ver'], "prog: option '--ver' is ambiguous; possibilities: '--verbose' '--version'"],
    [['--t=a'], "prog: option '--t=a' is ambiguous; possibilities: '--target' '--timeout'"],
  ];
  for (const [argv, message] of cases) {
    assert.throws(() => parse(...argv), { name: 'UsageError', message });
  }
  assert.ok(new UsageError('x') instanceof Error);
});

test('the list for completion scripts', () => {
  assert.equal(
    listOptions(TABLE.slice(0, 1)) + listOptions(TABLE.slice(2, 4)),
    '--target=ARG\n-t ARG\n--verbose=[ARG]\n-v [ARG]\n--version\n-V \n',
  );
});
