import type { OvsdbServer } from '@heddle/ovsdb';
import type { TlsFiles } from '@heddle/runtime';
import { type DbSource, parseDbSource, sourceStrings } from './db-source.ts';

/** Keeps the server's TLS files as the options and the databases that they name say. */
export class TlsConfig {
  readonly #server: OvsdbServer;
  readonly #files: TlsFiles;
  readonly #sources = new Map<'privateKey' | 'certificate' | 'caCert', DbSource>();

  /** `files` is what the server is given: it changes with the databases. */
  constructor(server: OvsdbServer, files: TlsFiles) {
    this.#server = server;
    this.#files = files;
    server.tls = files;
  }

  get databases(): string[] {
    return [...this.#sources.values()].map(({ db }) => db);
  }

  /** To be called when the databases are there; throws HeddleError. */
  start(): void {
    for (const name of ['privateKey', 'certificate', 'caCert'] as const) {
      const value = this.#files[name];
      if (!value?.startsWith('db:')) continue;
      this.#sources.set(name, parseDbSource(this.#server, value, true));
    }
    this.update();
  }

  update(): void {
    for (const [name, source] of this.#sources) {
      this.#files[name] = undefined;
      for (const path of sourceStrings(this.#server, source)) {
        if (path === '') continue;
        this.#files[name] = path;
        break;
      }
    }
  }
}
