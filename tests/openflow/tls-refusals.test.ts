/** Controllers whose certificate the switch does not take, or who do not take the switch's: what its rows say. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { eventually, Instance, isolate, Scope } from '@heddle/testing';

isolate();

const CONTROLLERS = [
  { port: 6701, certificate: 'expired', trusts: 'ca', why: 'Protocol error' },
  { port: 6702, certificate: 'stranger', trusts: 'ca', why: 'Protocol error' },
  // By then TLS 1.3 is through with the handshake.
  { port: 6703, certificate: 'good', trusts: 'stranger', why: 'Input/output error' },
];

/** Two authorities, and certificates of the first. */
const PKI = [
  ...['ca', 'stranger'].map(
    (name) =>
      `openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=${name} -keyout ${name}.key -out ${name}.pem`,
  ),
  ...['good', 'expired'].map(
    (name) =>
      `openssl req -newkey rsa:2048 -nodes -subj /CN=${name} -keyout ${name}.key -out ${name}.csr; ` +
      `openssl x509 -req -in ${name}.csr -CA ca.pem -CAkey ca.key -CAcreateserial ` +
      `-days ${name === 'expired' ? -1 : 2} -out ${name}.pem`,
  ),
].join('; ');

for (const create of ['ours', 'oracle'] as const) {
  test(`${create}: controllers that are refused, or refuse`, async () => {
    await using scope = new Scope();
    const switchArgs = ['--enable-dummy=override', '--disable-system'];
    const instance = await Instance[create](scope, { switchArgs });
    const at = (name: string): string => join(instance.directory, name);
    await instance.exec('sh', '-ec', `cd ${instance.directory}; ip link set lo up; ${PKI}`);
    for (const { port, certificate, trusts } of CONTROLLERS) {
      const files = `-cert ${certificate}.pem -key ${certificate}.key -CAfile ${trusts}.pem`;
      const serve = `openssl s_server -accept ${port} ${files} -Verify 1 -verify_return_error`;
      const command = `cd ${instance.directory}; (sleep 600 | ${serve} -quiet) >/dev/null 2>&1 &`;
      await instance.exec('sh', '-ec', command);
    }
    await instance.vsctl(
      ...['add-br', 'br0', '--', 'set-ssl', at('good.key'), at('good.pem'), at('ca.pem')],
      ...['--', 'set-controller', 'br0', ...CONTROLLERS.map(({ port }) => `ssl:127.0.0.1:${port}`)],
    );
    for (const { port, why } of CONTROLLERS) {
      await eventually(`${why} of ${port}`, async () => {
        const target = `target="ssl:127.0.0.1:${port}"`;
        const words = ['--bare', '--columns=status', 'find', 'controller', target];
        const status = await instance.vsctl(...words);
        assert.match(status, new RegExp(`last_error="?${why}"?`));
        return true;
      });
    }
  });
}
