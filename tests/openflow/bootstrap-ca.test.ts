/** A switch that is told to trust the first controller's certificate authority (ovs-vsctl set-ssl). */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { eventually, Instance, isolate, Scope } from '@heddle/testing';

isolate();

for (const create of ['ours', 'oracle'] as const) {
  test(`${create}: a CA certificate is bootstrapped from the controller`, async () => {
    await using scope = new Scope();
    const switchArgs = ['--enable-dummy=override', '--disable-system'];
    const instance = await Instance[create](scope, { switchArgs });
    const at = (name: string): string => join(instance.directory, name);
    const [key, certificate, ca] = [at('own.key'), at('own.pem'), at('ca.pem')];
    await instance.exec(
      ...['openssl', 'req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2'],
      ...['-subj', '/CN=controller', '-keyout', key, '-out', certificate],
    );
    await instance.exec('ip', 'link', 'set', 'lo', 'up');
    await instance.exec(
      ...['/usr/bin/ovs-testcontroller', 'pssl:6701:127.0.0.1', '-p', key, '-c', certificate],
      ...['-C', 'none', '--detach', `--pidfile=${at('controller.pid')}`],
    );
    scope.defer(() => void process.kill(Number(readFileSync(at('controller.pid'), 'utf8'))));
    await instance.vsctl(
      ...['add-br', 'br0', '--', '--bootstrap', 'set-ssl', key, certificate, ca],
      ...['--', 'set-controller', 'br0', 'ssl:127.0.0.1:6701'],
    );
    await eventually('connected', async () => {
      const rows = await instance.vsctl('--bare', '--columns=is_connected', 'list', 'controller');
      return rows.trim() === 'true';
    });
    assert.equal(readFileSync(ca, 'utf8').trim(), readFileSync(certificate, 'utf8').trim());
  });
}
