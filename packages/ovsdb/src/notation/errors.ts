import { HeddleError } from '@heddle/runtime';

/** The error strings of RFC 7047 and ovsdb-server(7). */
export type OvsdbErrorString =
  | 'aborted'
  | 'constraint violation'
  | 'domain error'
  | 'duplicate uuid'
  | 'I/O error'
  | 'internal error'
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
  | 'unknown table'
  | 'canceled'
  | 'not leader'
  | 'unknown function'
  | 'not allowed'
  | 'duplicate uuid-name'
  | 'incompatible schema version';

/** An error as it goes into a reply: `{"error": ..., "details": ..., "syntax": ...}`. */
export class OvsdbError extends HeddleError {
  override name = 'OvsdbError';
  readonly error: OvsdbErrorString;
  readonly details: string | undefined;
  /** The piece of JSON that is wrong. */
  readonly syntax: string | undefined;

  constructor(error: OvsdbErrorString, details?: string, syntax?: string) {
    const where = syntax === undefined ? '' : `${syntax}: `;
    super(details === undefined ? `${where}${error}` : `${where}${error}: ${details}`);
    this.error = error;
    this.details = details;
    this.syntax = syntax;
  }

  toJson(): Record<string, string> {
    return {
      ...(this.details === undefined ? {} : { details: this.details }),
      error: this.error,
      ...(this.syntax === undefined ? {} : { syntax: this.syntax }),
    };
  }
}
