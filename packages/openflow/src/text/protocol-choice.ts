/** Which flow format a command uses, of those that can carry what it was given. */
import { fail } from '../actions/text-values.ts';
import { formatProtocols, type Protocols } from '../match/protocols.ts';

/** Throws ovs-ofctl's HeddleError when none is in both sets. */
export function requireProtocols(usable: Protocols, allowed: Protocols): Protocols {
  const both = usable & allowed;
  if (both !== 0) return both;
  const usableText = formatProtocols(usable);
  const allowedText = formatProtocols(allowed);
  return fail(
    `none of the usable flow formats (${usableText}) is among the allowed flow formats (${allowedText})`,
  );
}
