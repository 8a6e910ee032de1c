import { STRERROR } from './strerror.ts';

/** The base of every error that is not a bug: its message is for the user as it stands. */
export class HeddleError extends Error {
  override name = 'HeddleError';
}

/** A failed operation of the system; `code` is the errno's name. */
export class SystemError extends HeddleError {
  override name = 'SystemError';
  readonly code: string;

  constructor(code: string, message: string) {
    super(message === '' ? strerror(code) : `${message} (${strerror(code)})`);
    this.code = code;
  }

  /** The errno in the C library's words: `No such device`. */
  get strerror(): string {
    return strerror(this.code);
  }
}

/** glibc's text for an errno name. */
export function strerror(code: string): string {
  return STRERROR[code] ?? `Unknown error ${code.replace(/^E/, '')}`;
}

/** The errno name of anything thrown by Node or by ourselves; `fallback` when it carries none. */
export function errnoOf(error: unknown, fallback = 'EIO'): string {
  if (error !== null && typeof error === 'object' && 'code' in error) {
    const { code } = error;
    if (typeof code === 'string' && code in STRERROR) return code;
  }
  return fallback;
}

/** What to tell the user about anything thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** As a program tells of it on its standard error, which is to begin with its name, once. */
export function errorLine(program: string, { message }: HeddleError): string {
  return `${message.startsWith(`${program}: `) ? '' : `${program}: `}${message}\n`;
}
