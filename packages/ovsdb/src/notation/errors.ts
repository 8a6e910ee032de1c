import { errnoOf, HeddleError, strerror } from '@heddle/runtime';

/** The error strings of RFC 7047 and ovsdb-server(7). */
export type OvsdbErrorString =
  | 'aborted'
  | 'constraint violation'
  | 'database not available'
  | 'domain error'
  | 'duplicate uuid'
  | 'I/O error'
  | 'internal error'
  | 'invalid parameters'
  | 'not owner'
  | 'not supported'
  | 'ovsdb error'
  | 'permission error'
  | 'range error'
  | 'referential integrity violation'
  | 'resources exhausted'
  | 'syntax error'
  | 'timed out'
  | 'unknown column'
  | 'unknown database'
  | 'unknown method'
  | 'unknown monitor'
  | 'unknown mutator'
  | 'unknown table'
  | 'canceled'
  | 'not leader'
  | 'unknown function'
  | 'not allowed'
  | 'duplicate uuid-name'
  | 'incompatible schema version';

/**
 * An error as it goes into a reply (`{"error": ..., "details": ..., "syntax": ...}`) or, as upstream
 * words it for people, `syntax "JSON": ERROR: DETAILS (REASON)`.
 */
export class OvsdbError extends HeddleError {
  override name = 'OvsdbError';
  readonly error: OvsdbErrorString;
  readonly details: string | undefined;
  /** The piece of JSON that is wrong. */
  readonly syntax: string | undefined;
  /** The system's reason, in the C library's words. */
  readonly reason: string | undefined;

  constructor(error: OvsdbErrorString, details?: string, syntax?: string, reason?: string) {
    const where = syntax === undefined ? '' : `syntax "${syntax}": `;
    const what = details === undefined ? '' : `: ${details}`;
    super(`${where}${error}${what}${reason === undefined ? '' : ` (${reason})`}`);
    this.error = error;
    this.details = details;
    this.syntax = syntax;
    this.reason = reason;
  }

  toJson(): Record<string, string> {
    return {
      ...(this.details === undefined ? {} : { details: this.details }),
      error: this.error,
      ...(this.reason === undefined ? {} : { 'io-error': this.reason }),
      ...(this.syntax === undefined ? {} : { syntax: this.syntax }),
    };
  }
}

/** A failed operation on a file, in upstream's words: `I/O error: PATH: open failed (REASON)`. */
export function ioError(path: string, what: string, error: unknown): OvsdbError {
  return new OvsdbError('I/O error', `${path}: ${what}`, undefined, strerror(errnoOf(error)));
}
