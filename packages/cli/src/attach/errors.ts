import { HeddleError } from '@heddle/runtime/errors';

/** Anything that keeps a port from being attached or detached, in words for the operator. */
export class AttachError extends HeddleError {
  override name = 'AttachError';
  /** Exit status of the command. */
  readonly status: number;
  constructor(message: string, status = 1) {
    super(message);
    this.status = status;
  }
}
