/** ovs-pki beside the distribution's: either goes on with what the other began. */
import assert from 'node:assert/strict';
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { REPOSITORY, run, Scope } from '@heddle/testing';

const OURS = join(REPOSITORY, 'bin/ovs-pki');
const THEIRS = '/usr/bin/ovs-pki';

function pki(directory: string) {
  return async (program: string, ...args: string[]) => {
    const options = [`--dir=${join(directory, 'pki')}`, `--log=${join(directory, 'log')}`];
    const words = args.map((w) => `'${w}'`).join(' ');
    const command = `cd ${directory} && ${program} ${options.join(' ')} ${words}`;
    const { code, stdout, stderr } = await run(['sh', '-c', `echo no | (${command})`]);
    const told = stderr.replaceAll(program, 'ovs-pki');
    return { code, stdout: stdout.replaceAll(program, 'ovs-pki'), stderr: told };
  };
}

/** Every file with its kind and permissions. */
function layout(directory: string): string[] {
  return readdirSync(directory, { recursive: true })
    .map(String)
    .map((name) => `${name} ${(statSync(join(directory, name)).mode & 0o170777).toString(8)}`)
    .filter((line) => !line.includes('.rand'))
    .sort();
}

test('the same files, with the same permissions', async () => {
  await using scope = new Scope();
  const made = [];
  for (const program of [OURS, THEIRS]) {
    const directory = scope.directory('pki');
    const go = pki(directory);
    for (const words of [['init'], ['req+sign', 'ctl', 'controller'], ['-u', 'req', 'sw']]) {
      const { code, stderr } = await go(program, '-B', '1024', ...words);
      assert.equal(code, 0, stderr);
    }
    assert.equal((await go(program, 'self-sign', 'sw')).code, 0);
    made.push(layout(directory));
  }
  assert.deepEqual(made[0], made[1]);
});

test("one's authorities sign the other's requests, and both verify", async () => {
  await using scope = new Scope();
  for (const [a, b] of [
    [OURS, THEIRS],
    [THEIRS, OURS],
  ] as const) {
    const go = pki(scope.directory('pki'));
    assert.equal((await go(a, '-B', '1024', 'init')).code, 0);
    const request = await go(b, '-B', '1024', 'req', 'sw');
    assert.match(request.stdout, /^sw-req\.pem\t.*\n\tfingerprint [0-9a-f]{40}\n$/);
    assert.equal((await go(a, 'fingerprint', 'sw-req.pem')).stdout, request.stdout);
    assert.equal((await go(b, '-b', 'sign', 'sw')).code, 0);
    for (const program of [a, b]) {
      assert.deepEqual(await go(program, 'verify', 'sw'), {
        code: 0,
        stdout: 'sw-cert.pem: OK\n',
        stderr: '',
      });
      const wrong = await go(program, 'verify', 'sw', 'controller');
      assert.equal(wrong.code, 2);
      assert.match(wrong.stderr, /unable to get local issuer certificate/);
    }
    assert.equal(
      (await go(a, 'fingerprint', 'sw-cert.pem')).stdout,
      (await go(b, 'fingerprint', 'sw-cert.pem')).stdout,
    );
  }
});

test('command lines that are refused, in the same words', async () => {
  await using scope = new Scope();
  const go = pki(scope.directory('pki'));
  assert.equal((await go(OURS, '-B', '1024', 'init')).code, 0);
  assert.equal((await go(OURS, '-B', '1024', 'req+sign', 'sw')).code, 0);
  for (const words of [
    ['init'],
    ['req', 'sw'],
    ['sign', 'sw', 'bogus'],
    ['sign', 'a', 'b', 'c'],
    ['-b', 'sign', 'sw'],
    ['req'],
    ['verify'],
    ['verify', 'nope'],
    ['self-sign', 'nope'],
    ['fingerprint', 'a', 'b'],
    ['bogus'],
    [],
    ['--bogus'],
    ['-k', 'ec', 'req', 'x'],
    ['-B', '512', 'req', 'x'],
    ['-f', 'sign', 'sw'],
    ['--dir=/nonexistent/pki', 'verify', 'sw'],
  ]) {
    const [ours, theirs] = [await go(OURS, ...words), await go(THEIRS, ...words)];
    const plain = ({ code, stdout, stderr }: typeof ours) => ({
      code,
      stdout,
      stderr: stderr.replace(/^ovs-pki: /, ''),
    });
    assert.deepEqual(plain(ours), plain(theirs), words.join(' '));
  }
});
