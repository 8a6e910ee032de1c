/** The typed schemas, beside the files in share/ and those of an installed Open vSwitch. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { type Json, jsonEquals, parseJson } from '../notation/index.ts';
import { parseSchema, schemaToJson } from '../schema/schema.ts';
import { layout } from './generate-schemas.ts';
import { serverSchema } from './server.ts';
import { vswitchSchema } from './vswitch.ts';

const SHARE = join(import.meta.dirname, '../../../../share');
const INSTALLED = '/usr/share/openvswitch/vswitch.ovsschema';

for (const [file, schema] of [
  ['vswitch.ovsschema', vswitchSchema],
  ['_server.ovsschema', serverSchema],
] as const) {
  test(`share/${file} is what its typed schema says`, () => {
    assert.equal(readFileSync(join(SHARE, file), 'utf8'), `${layout(schema)}\n`);
  });

  test(`${file} parses, and prints as it was`, () => {
    const parsed = parseSchema(schema as unknown as Json);
    const printed = schemaToJson(parsed);
    assert.deepEqual(schemaToJson(parseSchema(printed)), printed);
    assert.equal(parsed.version, schema.version);
    assert.equal(parsed.cksum, schema.cksum);
  });
}

test('every column of an installed Open vSwitch of our or an older version is in ours', () => {
  if (!existsSync(INSTALLED)) return;
  const theirs = parseSchema(parseJson(readFileSync(INSTALLED, 'utf8')));
  const ours = parseSchema(vswitchSchema as unknown as Json);
  for (const table of theirs.tables.values()) {
    for (const name of table.columns.keys()) {
      assert.ok(ours.tables.get(table.name)?.columns.has(name), `${table.name}.${name}`);
    }
  }
  if (theirs.version === ours.version)
    assert.ok(jsonEquals(schemaToJson(theirs), schemaToJson(ours)));
});
