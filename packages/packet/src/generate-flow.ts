/**
 * Writes `generated/flow-fields.ts` and the eBPF programs' `flow-key.h` from key-layout.ts.
 * Run `node packages/packet/src/generate-flow.ts`; a unit test checks that both are fresh.
 */
import { writeFileSync } from 'node:fs';
import {
  FLOW_WORDS,
  KEY_MEMBERS,
  KEY_WORDS,
  KEY_WORDS_USED,
  type KeyKind,
  type KeyMember,
  kindSize,
  PIPELINE_MEMBERS,
  TUNNEL_IPV4_MEMBERS,
} from './key-layout.ts';

const BANNER = 'Generated from key-layout.ts by packages/packet/src/generate-flow.ts. Do not edit.';

export const GENERATED_TS = new URL('./generated/flow-fields.ts', import.meta.url);
export const GENERATED_H = new URL('../../datapath/bpf/flow-key.h', import.meta.url);

const TS_TYPE: Readonly<Record<KeyKind, string>> = {
  u8: 'number',
  u16: 'number',
  u32: 'number',
  be16: 'number',
  be32: 'number',
  be48: 'number',
  be64: 'bigint',
  bytes16: 'Uint8Array',
  u128: 'bigint',
  bytes12: 'Uint8Array',
  bytes256: 'Uint8Array',
  pad3: 'never',
};

function getter(kind: KeyKind, o: number): string {
  switch (kind) {
    case 'u8':
      return `return this.u8[${o}]!;`;
    case 'u16':
      return `return this.u8[${o}]! | (this.u8[${o + 1}]! << 8);`;
    case 'u32':
      return `return this.u32[${o / 4}]!;`;
    case 'be16':
      return `return (this.u8[${o}]! << 8) | this.u8[${o + 1}]!;`;
    case 'be32':
      return `return getBe32(this.u8, ${o});`;
    case 'be48':
      return `return getBe48(this.u8, ${o});`;
    case 'be64':
      return `return getBe64(this.u8, ${o});`;
    case 'bytes16':
      return `return this.u8.subarray(${o}, ${o + 16});`;
    case 'bytes12':
      return `return this.u8.subarray(${o}, ${o + 12});`;
    case 'bytes256':
      return `return this.u8.subarray(${o}, ${o + 256});`;
    case 'u128':
      return `return getU128(this.u32, ${o / 4});`;
    case 'pad3':
      throw new Error('padding has no accessor');
  }
}

function setter(kind: KeyKind, o: number): string {
  switch (kind) {
    case 'u8':
      return `this.u8[${o}] = v;`;
    case 'u16':
      return `this.u8[${o}] = v;\n    this.u8[${o + 1}] = v >>> 8;`;
    case 'u32':
      return `this.u32[${o / 4}] = v;`;
    case 'be16':
      return `this.u8[${o}] = v >>> 8;\n    this.u8[${o + 1}] = v;`;
    case 'be32':
      return `setBe32(this.u8, ${o}, v);`;
    case 'be48':
      return `setBe48(this.u8, ${o}, v);`;
    case 'be64':
      return `setBe64(this.u8, ${o}, v);`;
    case 'bytes16':
    case 'bytes12':
    case 'bytes256':
      return `this.u8.set(v, ${o});`;
    case 'u128':
      return `setU128(this.u32, ${o / 4}, v);`;
    case 'pad3':
      throw new Error('padding has no accessor');
  }
}

function accessor(name: string, kind: KeyKind, offset: number, doc: string): string {
  const type = TS_TYPE[kind];
  return `
  /** ${doc} */
  get ${name}(): ${type} {
    ${getter(kind, offset)}
  }
  set ${name}(v: ${type}) {
    ${setter(kind, offset)}
  }
`;
}

function accessors(members: readonly KeyMember[], start: number): string {
  let body = '';
  let offset = start;
  for (const m of members) {
    if (m.ts !== undefined) body += accessor(m.ts, m.kind, offset, m.doc);
    for (const a of m.alias ?? []) body += accessor(a.ts, a.kind, offset, a.doc);
    offset += kindSize(m.kind);
  }
  return body;
}

export function generateTs(): string {
  const body =
    accessors(KEY_MEMBERS, 0) +
    accessors(TUNNEL_IPV4_MEMBERS, KEY_WORDS_USED * 8) +
    accessors(PIPELINE_MEMBERS, KEY_WORDS * 8);
  const helpers = 'getBe32, getBe48, getBe64, getU128, setBe32, setBe48, setBe64, setU128';
  return `// ${BANNER}
import { ${helpers} } from '../bytes.ts';

/**
 * Accessors over the ${FLOW_WORDS * 4} bytes of a flow, of which the first ${KEY_WORDS * 8} are the datapath's key;
 * values are in host order.
 */
export abstract class FlowFields {
  abstract readonly u32: Uint32Array;
  abstract readonly u8: Uint8Array;
${body}}
`;
}

const C_TYPE: Readonly<Record<KeyKind, readonly [string, string]>> = {
  u8: ['__u8', ''],
  u16: ['__u16', ''],
  u32: ['__u32', ''],
  be16: ['__be16', ''],
  be32: ['__be32', ''],
  be48: ['__u8', '[6]'],
  be64: ['__be64', ''],
  bytes16: ['__be32', '[4]'],
  u128: ['__u32', '[4]'],
  bytes12: ['__be32', '[3]'],
  bytes256: ['__u8', '[256]'],
  pad3: ['__u8', '[3]'],
};

export function generateH(): string {
  let body = '';
  let asserts = '';
  let offset = 0;
  for (const m of KEY_MEMBERS) {
    const [type, dim] = C_TYPE[m.kind];
    body += `  ${type} ${m.c}${dim}; /* ${offset}: ${m.doc} */\n`;
    if (m.ts !== undefined) {
      const args = `__builtin_offsetof(struct flow_key, ${m.c}) == ${offset}`;
      asserts += `_Static_assert(${args}, "${m.c}");\n`;
    }
    offset += kindSize(m.kind);
  }
  return `/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* ${BANNER} */
#ifndef HEDDLE_FLOW_KEY_H
#define HEDDLE_FLOW_KEY_H

#define FLOW_KEY_WORDS ${KEY_WORDS}
#define FLOW_KEY_WORDS_USED ${KEY_WORDS_USED}

#define FLOW_NW_FRAG_ANY 1
#define FLOW_NW_FRAG_LATER 2
#define VLAN_CFI_PRESENT 0x1000
#define FLOW_DL_TYPE_NONE 0x05ff

/* Header fields are in network byte order, ports, marks and conntrack in host order. */
struct flow_key {
${body}  __u64 spare[${KEY_WORDS - KEY_WORDS_USED}]; /* ${offset}: Zero. */
};

${asserts}_Static_assert(sizeof(struct flow_key) == ${KEY_WORDS * 8}, "flow_key");

#endif
`;
}

if (import.meta.main) {
  writeFileSync(GENERATED_TS, generateTs());
  writeFileSync(GENERATED_H, generateH());
}
