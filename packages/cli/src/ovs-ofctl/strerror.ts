import { SystemError, strerror } from '@heddle/runtime/errors';

/** What strerror(3) says of a failed connection. */
export function strerrorOf(error: Error): string {
  const code = error instanceof SystemError ? error.code : error.message;
  return /^E[A-Z0-9]+$/.test(code) ? strerror(code) : error.message;
}
