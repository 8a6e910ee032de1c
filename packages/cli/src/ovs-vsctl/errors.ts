import { HeddleError } from '@heddle/runtime/errors';

/** A command that cannot be: its text follows `ovs-vsctl: `; `status` is the exit status. */
export class VsctlError extends HeddleError {
  override name = 'VsctlError';
  readonly status: number;

  constructor(message: string, status = 1) {
    super(message);
    this.status = status;
  }
}
