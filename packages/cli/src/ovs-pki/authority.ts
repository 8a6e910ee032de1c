/** Certificate authorities of switches and controllers (ovs-pki(8), `init`, `sign`, `verify`). */
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { isAbsolute, join, resolve } from 'node:path';
import { HeddleError } from '@heddle/runtime/errors';
import { mustExist, mustNotExist } from './keys.ts';
import { openssl } from './openssl.ts';
import { type CertificateType, dsaparamFile, type Settings } from './settings.ts';

const AUTHORITIES = ['controllerca', 'switchca'];
const MONTHS = 'Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec'.split(' ');

/** A new PKI; `tell` hears of each step. */
export function init(settings: Settings, tell: (line: string) => void): void {
  const { directory, force, keyType, bits, log } = settings;
  if (existsSync(directory) && !force) {
    throw new HeddleError(`${directory} already exists and --force not specified`);
  }
  mkdirSync(directory, { recursive: true });
  if (keyType === 'dsa' && !existsSync(dsaparamFile(settings))) {
    tell('Generating DSA parameters, please wait...');
    openssl(['dsaparam', '-out', 'dsaparam.pem', String(bits)], { log, cwd: directory });
  }
  for (const name of AUTHORITIES) {
    tell(`Creating ${name}...`);
    makeAuthority(join(directory, name), name, settings);
  }
}

function makeAuthority(cwd: string, name: string, settings: Settings): void {
  const { keyType, bits, log } = settings;
  const oldMask = process.umask(0o022);
  try {
    for (const sub of ['certs', 'crl', 'newcerts']) mkdirSync(join(cwd, sub), { recursive: true });
    mkdirSync(join(cwd, 'private'), { recursive: true, mode: 0o700 });
    writeFileSync(join(cwd, 'index.txt'), '');
    writeFileSync(join(cwd, 'serial'), '01\n');
    writeFileSync(join(cwd, 'crlnumber'), '01\n');
    writeFileSync(join(cwd, 'ca.cnf'), authorityConfig(name));
    const newKey = keyType === 'rsa' ? `rsa:${bits}` : `dsa:${resolve(dsaparamFile(settings))}`;
    const request = ['req', '-config', 'ca.cnf', '-nodes', '-newkey', newKey];
    openssl([...request, '-keyout', 'private/cakey.pem', '-out', 'careq.pem'], { log, cwd });
    chmodSync(join(cwd, 'private/cakey.pem'), 0o700);
    const sign = ['ca', '-config', 'ca.cnf', '-create_serial', '-extensions', 'ca_cert'];
    sign.push('-out', 'cacert.pem', '-days', '3650', '-batch', '-keyfile', 'private/cakey.pem');
    openssl([...sign, '-selfsign', '-infiles', 'careq.pem'], { log, cwd });
  } finally {
    process.umask(oldMask);
  }
}

/** For `openssl ca`: sections are called as upstream's are, so that either may sign. */
function authorityConfig(name: string): string {
  const now = new Date();
  const two = (n: number) => String(n).padStart(2, '0');
  const time = [now.getHours(), now.getMinutes(), now.getSeconds()].map(two).join(':');
  const date = `${now.getFullYear()} ${MONTHS[now.getMonth()]} ${two(now.getDate())} ${time}`;
  return `[ req ]
prompt = no
distinguished_name = req_distinguished_name

[ req_distinguished_name ]
C = US
ST = CA
L = Palo Alto
O = Open vSwitch
OU = ${name}
CN = OVS ${name} CA Certificate (${date})

[ ca ]
default_ca = the_ca

[ the_ca ]
dir = .
database = $dir/index.txt
new_certs_dir = $dir/newcerts
certificate = $dir/cacert.pem
serial = $dir/serial
crlnumber = $dir/crlnumber
private_key = $dir/private/cakey.pem
default_days = 3650
default_crl_days = 30
default_md = sha512
policy = policy
email_in_dn = no
name_opt = ca_default
cert_opt = ca_default
copy_extensions = copy
unique_subject = no

[ policy ]
countryName = optional
stateOrProvinceName = optional
organizationName = match
organizationalUnitName = optional
commonName = supplied
emailAddress = optional

[ ca_cert ]
basicConstraints = CA:true

[ usr_cert ]
basicConstraints = CA:false
`;
}

function authorityOf(type: CertificateType, { directory }: Settings): string {
  if (!existsSync(directory)) {
    throw new HeddleError(`${directory} does not exist (need to run 'init' or use '--dir'?)`);
  }
  return join(directory, `${type}ca`);
}

/** `NAME-cert.pem` from `NAME-req.pem`. */
export function sign(name: string, type: CertificateType, settings: Settings): void {
  const [request, certificate] = [`${name}-req.pem`, `${name}-cert.pem`];
  mustExist(request);
  mustNotExist(certificate, settings);
  const cwd = authorityOf(type, settings);
  const words = ['ca', '-config', 'ca.cnf', '-extensions', 'usr_cert', '-batch', '-in'];
  const path = isAbsolute(request) ? request : resolve(request);
  writeFileSync(certificate, openssl([...words, path], { log: settings.log, cwd }));
}

/** The exit status: openssl's, which says what is wrong. */
export function verify(name: string, type: CertificateType, settings: Settings): number {
  const certificate = `${name}-cert.pem`;
  mustExist(certificate);
  const authority = join(authorityOf(type, settings), 'cacert.pem');
  const { status } = spawnSync('openssl', ['verify', '-CAfile', authority, certificate], {
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  return status ?? 1;
}
