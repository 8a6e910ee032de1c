import { HeddleError } from './errors.ts';

/** A command's refusal: its text reaches the client as the error of the reply. */
export class UnixctlError extends HeddleError {
  override name = 'UnixctlError';
}

/** A reply whole, or piece by piece as fast as the client takes it. */
export type UnixctlResult = string | AsyncIterable<string>;

export type UnixctlHandler = (args: readonly string[]) => UnixctlResult | Promise<UnixctlResult>;

/** Where commands are registered: a UnixctlServer. */
export interface UnixctlCommands {
  /**
   * `max` may be Infinity. A later registration of the same name replaces the earlier. Without a
   * usage, list-commands does not tell of it.
   */
  register(
    name: string,
    usage: string | undefined,
    min: number,
    max: number,
    handler: UnixctlHandler,
  ): void;
}
