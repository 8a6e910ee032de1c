/** TLV mappings in text (ovs-ofctl(8), "add-tlv-map"): `{class=0xffff,type=0,len=4}->tun_metadata0`. */
import type { TlvMapping } from '@heddle/packet';
import { fail } from '../actions/text-values.ts';

const NUMBER = '(?:0[xX][0-9a-fA-F]+|[+-]?\\d+)';
const MAPPING = new RegExp(
  `^\\{class=(${NUMBER}),type=(${NUMBER}),len=(${NUMBER})\\}->tun_metadata(${NUMBER})(?:,|$)`,
);

/** Numbers lose the bits that their places have not. */
export function parseTlvMap(text: string): TlvMapping[] {
  const mappings: TlvMapping[] = [];
  for (let rest = text; rest !== ''; ) {
    const m = MAPPING.exec(rest);
    if (!m) fail('invalid tlv mapping');
    mappings.push({
      optionClass: Number(m[1]) & 0xffff,
      optionType: Number(m[2]) & 0xff,
      optionLen: Number(m[3]) & 0xff,
      index: Number(m[4]) & 0xffff,
    });
    rest = rest.slice(m[0].length);
  }
  return mappings;
}
