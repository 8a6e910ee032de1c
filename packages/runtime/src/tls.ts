/** TLS as the options of every Open vSwitch program configure it ("Public Key Infrastructure Options"). */
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import {
  createSecureContext,
  createServer,
  type SecureContextOptions,
  type SecureVersion,
  type Server,
  type TLSSocket,
} from 'node:tls';
import { HeddleError, messageOf } from './errors.ts';
import { vlog } from './vlog.ts';

const log = vlog.module('stream_ssl');
/** A client that does not finish its handshake is given up. */
const HANDSHAKE_MS = 10_000;

export interface TlsFiles {
  privateKey: string | undefined;
  certificate: string | undefined;
  /** `none` trusts every peer. */
  caCert: string | undefined;
  /** Where `caCert` does not exist yet, the first peer's CA is trusted and written there. */
  bootstrap?: boolean;
  /** More certificates to send to peers. */
  peerCaCert?: string | undefined;
  /** `--ssl-protocols`, `--ssl-ciphers`. */
  protocols?: string | undefined;
  ciphers?: string | undefined;
}

const PROTOCOLS: readonly SecureVersion[] = ['TLSv1', 'TLSv1.1', 'TLSv1.2', 'TLSv1.3'];

type Options = SecureContextOptions & { rejectUnauthorized: boolean };

/** What node:tls wants to know; reads the files. Throws HeddleError. */
export function tlsOptions(files: TlsFiles | undefined): Options {
  const { privateKey, certificate, caCert } = files ?? {};
  if (privateKey === undefined) throw unconfigured('Private key');
  if (certificate === undefined) throw unconfigured('Certificate');
  if (caCert === undefined) throw unconfigured('CA certificate');
  const verify = caCert !== 'none' && !bootstraps(files);
  const peerCa = files?.peerCaCert === undefined ? [] : [readFileSync(files.peerCaCert)];
  return {
    key: readFileSync(privateKey),
    cert: Buffer.concat([readFileSync(certificate), ...peerCa]),
    ...(verify ? { ca: readFileSync(caCert) } : {}),
    rejectUnauthorized: verify,
    ...protocolRange(files?.protocols),
    ...ciphers(files?.ciphers),
  };
}

/**
 * Errors of TLS in OpenSSL's words in the log, and as errno(3) for who listens: EPROTO for a handshake
 * that fails on either side, EIO for an alert behind it.
 */
export function tellRefusals(socket: TLSSocket): void {
  let isSecured = false;
  socket.prependOnceListener('secureConnect', () => {
    isSecured = true;
  });
  socket.prependListener('error', (error: NodeJS.ErrnoException) => {
    const why = sslText(error);
    if (why === undefined) return;
    log.rl.warn(`${isSecured ? 'SSL_read' : 'SSL_connect'}: ${why}`);
    error.code = isSecured ? 'EIO' : 'EPROTO';
  });
}

/** Of a certificate that is not taken node:tls gives X.509's reason for a code. */
function sslText({ message, code = '', syscall }: NodeJS.ErrnoException): string | undefined {
  const found = /error:([0-9A-F]{8}):([^:]*):[^:]*:([^:\n]*)/.exec(message);
  if (found) return `error:${found[1]}:${found[2]}::${found[3]}`;
  const isErrno = /^E[A-Z0-9]+$/.test(code) || syscall !== undefined;
  return isErrno || code === '' ? undefined : CERTIFICATE_VERIFY_FAILED;
}

const CERTIFICATE_VERIFY_FAILED = 'error:0A000086:SSL routines::certificate verify failed';

/** `--ssl-protocols`: as upstream, of no effect when something is wrong with it, of which the log is told. */
export function acceptedProtocols(list: string | undefined): string | undefined {
  return protocolRange(list).maxVersion === undefined ? undefined : list;
}

/** `--ssl-ciphers`, likewise. */
export function acceptedCiphers(list: string | undefined): string | undefined {
  return ciphers(list).ciphers;
}

function unconfigured(what: string): HeddleError {
  return new HeddleError(`${what} must be configured to use SSL`);
}

function protocolRange(list: string | undefined): SecureContextOptions {
  const fallback = { minVersion: 'TLSv1.2' as const };
  if (list === undefined) return fallback;
  const words = list.split(/[\s,]+/).filter((w) => w !== '');
  const unknown = words.find((w) => !PROTOCOLS.includes(w as SecureVersion));
  if (unknown !== undefined || words.length === 0) {
    log.rl.err(
      unknown === undefined
        ? 'SSL protocol settings invalid'
        : `${unknown}: SSL protocol not recognized`,
    );
    return fallback;
  }
  const order = words.map((w) => PROTOCOLS.indexOf(w as SecureVersion)).sort();
  return { minVersion: PROTOCOLS[order[0]!]!, maxVersion: PROTOCOLS[order.at(-1)!]! };
}

function ciphers(list: string | undefined): SecureContextOptions {
  if (list === undefined) return {};
  try {
    if (list === '') throw new HeddleError('error:0A0000B9:SSL routines::no cipher match');
    createSecureContext({ ciphers: list });
    return { ciphers: list };
  } catch (error) {
    log.rl.err(`SSL_CTX_set_cipher_list: ${messageOf(error)}`);
    return {};
  }
}

/** Whether the next peer's CA is to be trusted and kept. */
export function bootstraps(files: TlsFiles | undefined): boolean {
  return files?.bootstrap === true && files.caCert !== undefined && !existsSync(files.caCert);
}

/** Keeps the self-signed certificate at the end of the peer's chain; throws if there is none. */
export function bootstrapCa(caCert: string, socket: TLSSocket): void {
  let x509 = socket.getPeerX509Certificate();
  while (x509?.issuerCertificate && x509.issuerCertificate !== x509) x509 = x509.issuerCertificate;
  if (!x509 || x509.subject !== x509.issuer || !x509.verify(x509.publicKey)) {
    throw new HeddleError('could not bootstrap CA cert: no self-signed certificate in peer chain');
  }
  writeFileSync(caCert, x509.toString(), { flag: 'wx', mode: 0o644 });
  log.info(`successfully bootstrapped CA cert to ${caCert}`);
}

/**
 * Takes TCP connections over, with the files as they are when each comes: they may be replaced, and
 * `files` may change, while the server listens.
 */
export class TlsAcceptor {
  readonly #files: TlsFiles | undefined;
  readonly #onConnection: (socket: TLSSocket) => void;
  #server: Server | undefined;
  #key = '';

  constructor(files: TlsFiles | undefined, onConnection: (socket: TLSSocket) => void) {
    this.#files = files;
    this.#onConnection = onConnection;
  }

  accept(socket: Socket): void {
    try {
      this.#current().emit('connection', socket);
    } catch (error) {
      log.rl.err(messageOf(error));
      socket.destroy();
    }
  }

  #current(): Server {
    const files = this.#files;
    const paths = [files?.privateKey, files?.certificate, files?.caCert, files?.peerCaCert];
    const key = JSON.stringify([files, paths.map(modified)]);
    if (!this.#server || key !== this.#key) {
      const options = { ...tlsOptions(files), requestCert: true, handshakeTimeout: HANDSHAKE_MS };
      this.#server = createServer(options, (socket) => this.#secured(socket));
      this.#server.on('tlsClientError', (error) => log.rl.warn(`SSL_accept: ${error.message}`));
      this.#key = key;
    }
    return this.#server;
  }

  #secured(socket: TLSSocket): void {
    if (!bootstraps(this.#files)) {
      this.#onConnection(socket);
      return;
    }
    try {
      bootstrapCa(this.#files!.caCert!, socket);
    } catch (error) {
      log.rl.err(messageOf(error));
    }
    socket.destroy();
  }
}

function modified(path: string | undefined): number {
  return (path !== undefined && statSync(path, { throwIfNoEntry: false })?.mtimeMs) || 0;
}
