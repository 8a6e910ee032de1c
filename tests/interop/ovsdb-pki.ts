import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';

/** A certificate authority and what it signs, as files of a directory. */
export class Pki {
  readonly #dir: string;
  readonly #name: string;

  constructor(dir: string, name = 'ca') {
    this.#dir = dir;
    this.#name = name;
    this.#openssl(
      'req',
      '-x509',
      ...KEY,
      '-keyout',
      `${name}.key`,
      '-out',
      `${name}.pem`,
      '-subj',
      `/CN=${name}`,
      '-days',
      '2',
    );
  }

  get caCert(): string {
    return join(this.#dir, `${this.#name}.pem`);
  }

  /** Options of a program that is `name`. */
  options(name: string): string[] {
    return [
      `--private-key=${this.key(name)}`,
      `--certificate=${this.certificate(name)}`,
      `--ca-cert=${this.caCert}`,
    ];
  }

  key(name: string): string {
    return join(this.#dir, `${this.#sign(name)}.key`);
  }

  certificate(name: string): string {
    return join(this.#dir, `${this.#sign(name)}.pem`);
  }

  #sign(name: string): string {
    const file = `${this.#name}-${name}`;
    if (existsSync(join(this.#dir, `${file}.pem`))) return file;
    this.#openssl(
      'req',
      ...KEY,
      '-keyout',
      `${file}.key`,
      '-out',
      `${file}.csr`,
      '-subj',
      `/CN=${name}`,
    );
    const authority = [
      '-CA',
      `${this.#name}.pem`,
      '-CAkey',
      `${this.#name}.key`,
      '-CAcreateserial',
    ];
    this.#openssl(
      'x509',
      '-req',
      '-in',
      `${file}.csr`,
      ...authority,
      '-days',
      '2',
      '-out',
      `${file}.pem`,
    );
    return file;
  }

  #openssl(...args: string[]): void {
    const { status, stderr } = spawnSync('openssl', args, { cwd: this.#dir, encoding: 'utf8' });
    if (status !== 0) throw new Error(`openssl ${args[0]}: ${stderr}`);
  }
}

const KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
