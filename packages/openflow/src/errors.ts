/** Errors as OpenFlow names them: what a peer's message is refused with. */
import { HeddleError } from '@heddle/runtime';

/** A name of the error table (ofp-errors: `OFPBMC_BAD_FIELD` …), independent of the version. */
export class OfpError extends HeddleError {
  readonly ofpErr: string;
  /** What of a message had been read before: a list's first entries. */
  partial?: object;
  /** What the log is to be told of it, where a message's headers or length are wrong. */
  logged?: string;

  constructor(ofpErr: string, detail?: string) {
    super(detail === undefined ? ofpErr : `${ofpErr} (${detail})`);
    this.ofpErr = ofpErr;
  }
}
