import { SystemError, strerror } from '@heddle/runtime/errors';

/** What strerror(3) says of a failed connection. */
export function strerrorOf(error: Error): string {
  // Names are not looked up, and what is no connection method has no family either.
  if (/not an active connection method$/.test(error.message) || isUnknownHost(error)) {
    return strerror('EAFNOSUPPORT');
  }
  if (error.message.endsWith('must be configured to use SSL')) return strerror('ENOPROTOOPT');
  const code = error instanceof SystemError ? error.code : error.message;
  return /^E[A-Z0-9]+$/.test(code) ? strerror(code) : error.message;
}

function isUnknownHost(error: Error): boolean {
  return 'code' in error && /^(ENOTFOUND|EAI_AGAIN)$/.test(String(error.code));
}
