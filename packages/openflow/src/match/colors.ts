/** Colors of flows in a terminal (ovs-ofctl(8), "--color"). */

export interface Colors {
  /** `actions=` */
  actions(text: string): string;
  drop(text: string): string;
  learn(text: string): string;
  /** Names of fields and properties. */
  param(text: string): string;
  paren(text: string): string;
  special(text: string): string;
  /** Protocols' names. */
  value(text: string): string;
}

/** OVS_COLORS' names, and what they are without it. */
const DEFAULTS: Readonly<Record<string, readonly [keyof Colors, string]>> = {
  ac: ['actions', '1;31'],
  dr: ['drop', '34'],
  le: ['learn', '31'],
  pm: ['param', '36'],
  pr: ['paren', '35'],
  sp: ['special', '33'],
  vl: ['value', '32'],
};

/** `ac=01;31:dr=34:...` as the environment's OVS_COLORS has it; what is not named stays. */
export function parseColors(text: string | undefined): Colors {
  const codes = new Map(Object.values(DEFAULTS));
  for (const [, name = '', code = ''] of (text ?? '').matchAll(/([a-z]+)=([0-9;]*)/g)) {
    const known = DEFAULTS[name];
    if (known) codes.set(known[0], code);
  }
  const paint = (what: keyof Colors) => {
    const start = `\x1b[${codes.get(what)}m\x1b[K`;
    return (word: string) => `${start}${word}\x1b[m\x1b[K`;
  };
  return {
    actions: paint('actions'),
    drop: paint('drop'),
    learn: paint('learn'),
    param: paint('param'),
    paren: paint('paren'),
    special: paint('special'),
    value: paint('value'),
  };
}
