/** Private keys and certificate requests (ovs-pki(8), `req`, `self-sign`, `fingerprint`). */
import { spawnSync } from 'node:child_process';
import { createHash, randomUUID } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { HeddleError } from '@heddle/runtime/errors';
import { openssl } from './openssl.ts';
import { dsaparamFile, type Settings } from './settings.ts';

/** `NAME-privkey.pem` and `NAME-req.pem`. */
export function makeRequest(name: string, settings: Settings): void {
  const { log } = settings;
  const [key, request] = [`${name}-privkey.pem`, `${name}-req.pem`];
  mustNotExist(key, settings);
  mustNotExist(request, settings);
  const before = process.umask(0o077);
  try {
    if (settings.keyType === 'rsa') {
      openssl(['genrsa', '-out', key, String(settings.bits)], { log });
    } else {
      mustExist(dsaparamFile(settings));
      openssl(['gendsa', '-out', key, dsaparamFile(settings)], { log });
    }
    chmodSync(key, 0o600);
  } finally {
    process.umask(before);
  }
  withFile(requestConfig(settings.unique ? name : `${name} id:${randomUUID()}`), (config) =>
    openssl(['req', '-config', config, '-new', '-text', '-key', key, '-out', request], { log }),
  );
}

function requestConfig(commonName: string): string {
  return `[ req ]
prompt = no
distinguished_name = subject
req_extensions = extensions

[ subject ]
C = US
ST = CA
L = Palo Alto
O = Open vSwitch
OU = Open vSwitch certifier
CN = ${commonName}

[ extensions ]
subjectAltName = DNS:${commonName}
`;
}

/** `NAME-cert.pem` from `NAME-req.pem`, signed by its own key. */
export function selfSign(name: string, settings: Settings): void {
  const certificate = `${name}-cert.pem`;
  mustExist(`${name}-req.pem`);
  mustExist(`${name}-privkey.pem`);
  mustNotExist(certificate, settings);
  const { log } = settings;
  withFile(`subjectAltName = DNS:${name}\n`, (extensions) => {
    const words = ['x509', '-in', `${name}-req.pem`, '-out', `${certificate}.tmp`];
    words.push('-signkey', `${name}-privkey.pem`, '-req', '-days', '3650', '-text');
    openssl([...words, '-extfile', extensions], { log });
  });
  renameSync(`${certificate}.tmp`, certificate);
}

/** Name, date and SHA-1 of a file; of a certificate its DER form's. */
export function fingerprintText(file: string, { log }: Settings): string {
  const date = spawnSync('date', ['-r', file], { encoding: 'utf8' });
  if (date.status !== 0) throw new HeddleError(`${file} cannot be read`);
  const content = readFileSync(file);
  const digest = content.includes('BEGIN CERTIFICATE-----')
    ? openssl(['x509', '-noout', '-in', file, '-fingerprint'], { log }).replace(/^.*=|[:\s]/g, '')
    : createHash('sha1').update(content).digest('hex');
  return `${file}\t${date.stdout}\tfingerprint ${digest}\n`;
}

export function mustExist(file: string): void {
  if (!existsSync(file)) throw new HeddleError(`${file} does not exist`);
}

export function mustNotExist(file: string, { force }: Settings): void {
  if (!force && existsSync(file)) {
    throw new HeddleError(`${file} already exists and --force not supplied`);
  }
}

function withFile(content: string, body: (path: string) => void): void {
  const directory = mkdtempSync(join(tmpdir(), 'ovs-pki.'));
  try {
    const path = join(directory, 'openssl.cnf');
    writeFileSync(path, content);
    body(path);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
