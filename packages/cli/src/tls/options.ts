/** The options of every command that may speak TLS ("Public Key Infrastructure Options"). */
import type { OptionSpec, ParsedOption } from '@heddle/runtime/options';
import { acceptedCiphers, acceptedProtocols, bootstraps, type TlsFiles } from '@heddle/runtime/tls';
import { vlog } from '@heddle/runtime/vlog';

export const TLS_OPTIONS: readonly OptionSpec[] = [
  { long: 'private-key', short: 'p', argument: 'FILE' },
  { long: 'certificate', short: 'c', argument: 'FILE' },
  { long: 'ca-cert', short: 'C', argument: 'FILE' },
  { long: 'ssl-protocols', argument: 'PROTOS' },
  { long: 'ssl-ciphers', argument: 'CIPHERS' },
  { long: 'bootstrap-ca-cert', argument: 'FILE' },
];

export function noTls(): TlsFiles {
  return { privateKey: undefined, certificate: undefined, caCert: undefined };
}

/** Applies a TLS option; returns whether it was one. */
export function applyTlsOption(tls: TlsFiles, { spec, value }: ParsedOption): boolean {
  switch (spec.long) {
    case 'private-key':
      tls.privateKey = value;
      return true;
    case 'certificate':
      tls.certificate = value;
      return true;
    case 'ca-cert':
    case 'bootstrap-ca-cert':
      tls.caCert = value;
      tls.bootstrap = spec.long === 'bootstrap-ca-cert';
      return true;
    case 'peer-ca-cert':
      tls.peerCaCert = value;
      return true;
    case 'ssl-protocols':
      tls.protocols = acceptedProtocols(value);
      return true;
    case 'ssl-ciphers':
      tls.ciphers = acceptedCiphers(value);
      return true;
    default:
      return false;
  }
}

/** The connection that a CA comes over is dropped: the next one is checked against it. */
export async function afterBootstrap<T>(tls: TlsFiles, connect: () => Promise<T>): Promise<T> {
  const first = bootstraps(tls);
  try {
    return await connect();
  } catch (error) {
    if (first && !bootstraps(tls)) return connect();
    throw error;
  }
}

/** Logs what a connection to such a remote lacks. */
export function checkTls(remote: string, tls: TlsFiles): void {
  if (!remote.startsWith('ssl:')) return;
  const log = vlog.module('stream_ssl');
  if (tls.privateKey === undefined) log.err('Private key must be configured to use SSL');
  if (tls.certificate === undefined) log.err('Certificate must be configured to use SSL');
  if (tls.caCert === undefined) log.err('CA certificate must be configured to use SSL');
}
