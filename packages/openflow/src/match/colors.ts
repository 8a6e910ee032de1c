/** Colors of flows in a terminal (ovs-ofctl(8), "--color"). */

export interface Colors {
  param(text: string): string;
  special(text: string): string;
  value(text: string): string;
  drop(text: string): string;
  learn(text: string): string;
  paren(text: string): string;
  cookie(text: string): string;
  actions(text: string): string;
  plain(text: string): string;
}

const paint = (code: string) => (text: string) => `\x1b[${code}m\x1b[K${text}\x1b[m\x1b[K`;

/** OVS_COLORS' defaults. */
export const COLORS: Colors = {
  param: paint('36'),
  special: paint('33'),
  value: paint('32'),
  drop: paint('34'),
  learn: paint('31'),
  paren: paint('35'),
  cookie: paint('32'),
  actions: paint('1;31'),
  plain: (text) => text,
};
