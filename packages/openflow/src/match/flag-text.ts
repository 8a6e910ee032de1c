/** Sets of named bits: `syn|ack`, `+est-new`. */

export interface FlagNames {
  readonly names: readonly (string | undefined)[];
  /** All bits that a value may have. */
  readonly all: number;
  /** In messages: "TCP flag". */
  readonly what: string;
}

export const TCP_FLAGS: FlagNames = {
  names: [
    ...['fin', 'syn', 'rst', 'psh', 'ack', 'urg', 'ece', 'cwr', 'ns'],
    ...['[200]', '[400]', '[800]'],
  ],
  all: 0xfff,
  what: 'TCP flag',
};
export const CT_STATE: FlagNames = {
  names: ['new', 'est', 'rel', 'rpl', 'inv', 'trk', 'snat', 'dnat'],
  all: 0xff,
  what: 'ct_state flag',
};
export const TUN_FLAGS: FlagNames = { names: ['oam'], all: 1, what: 'tunnel flag' };

/** `a|b`, `0` for none; unknown bits as one hexadecimal number. */
export function formatFlags(flags: FlagNames, value: number, separator = '|'): string {
  if (value === 0) return '0';
  const parts: string[] = [];
  let rest = value;
  for (const [bit, name] of flags.names.entries()) {
    if (name === undefined || (rest & (1 << bit)) === 0) continue;
    parts.push(name);
    rest &= ~(1 << bit);
  }
  rest >>>= 0;
  if (rest !== 0) parts.push(`0x${rest.toString(16)}`);
  return parts.join(separator);
}

/** `+a-b`: the bits of the mask, set or clear; those that have no name as `unknown`, or left out. */
export function formatFlagsMasked(
  flags: FlagNames,
  value: number,
  mask: number,
  unknown?: string,
): string {
  let text = '';
  for (let bit = 0; bit < 32; bit++) {
    const name = flags.names[bit] ?? unknown;
    if (name === undefined || (mask & (1 << bit)) === 0) continue;
    text += (value & (1 << bit)) !== 0 ? `+${name}` : `-${name}`;
  }
  return text;
}
