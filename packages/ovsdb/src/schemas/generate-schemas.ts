/** Writes share/*.ovsschema from the typed schemas: `node packages/ovsdb/src/schemas/generate-schemas.ts`. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { serverSchema } from './server.ts';
import { vswitchSchema } from './vswitch.ts';

const WIDTH = 80;

/** JSON with what fits into a line on one line, as schemas are best read. */
export function layout(json: unknown, indent = '', prefix = ''): string {
  const flat = JSON.stringify(json)
    .replaceAll('":', '": ')
    .replaceAll(/,(?=["[{])/g, ', ');
  if (typeof json !== 'object' || json === null) return flat;
  if (indent.length + prefix.length + flat.length <= WIDTH) return flat;
  const inner = `${indent}  `;
  if (Array.isArray(json)) {
    return `[\n${json.map((item) => inner + layout(item, inner)).join(',\n')}\n${indent}]`;
  }
  const members = Object.entries(json).map(([name, value]) => {
    const key = `${JSON.stringify(name)}: `;
    return `${inner}${key}${layout(value, inner, key)}`;
  });
  return `{\n${members.join(',\n')}\n${indent}}`;
}

if (import.meta.main) {
  const share = join(import.meta.dirname, '../../../../share');
  mkdirSync(share, { recursive: true });
  writeFileSync(join(share, 'vswitch.ovsschema'), `${layout(vswitchSchema)}\n`);
  writeFileSync(join(share, '_server.ovsschema'), `${layout(serverSchema)}\n`);
}
