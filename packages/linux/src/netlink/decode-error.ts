import { HeddleError } from '@heddle/runtime/errors';

/** Bytes that are not what the protocol says. */
export class DecodeError extends HeddleError {
  override name = 'DecodeError';
}
