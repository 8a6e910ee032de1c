/** The published schemas: ours equal them, and databases of them are served and described unchanged. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import {
  type DatabaseSchema,
  type Json,
  type JsonObject,
  parseJson,
  parseSchema,
  schemaToJson,
  serverSchema,
  vswitchSchema,
} from '@heddle/ovsdb';

const REFERENCE = join(import.meta.dirname, '../reference');
const FILES = readdirSync(REFERENCE).filter((name) => name.endsWith('.ovsschema'));

function read(file: string): JsonObject {
  return parseJson(readFileSync(join(REFERENCE, file), 'utf8')) as JsonObject;
}

/** One line for each table and column, with all that is said of it. */
function lines(schema: DatabaseSchema): string[] {
  const { tables } = schemaToJson(schema) as { tables: Record<string, JsonObject> };
  return Object.entries(tables)
    .flatMap(([name, { columns, ...rest }]) => [
      `${name} ${JSON.stringify(rest)}`,
      ...Object.entries(columns as JsonObject).map(
        ([column, json]) => `${name}.${column} ${JSON.stringify(json)}`,
      ),
    ])
    .sort();
}

for (const [file, schema] of [
  ['vswitch.ovsschema', vswitchSchema],
  ['_server.ovsschema', serverSchema],
] as const) {
  test(`${file}: ours has the same columns, version and checksum`, () => {
    const [ours, theirs] = [parseSchema(schema as unknown as Json), parseSchema(read(file))];
    assert.deepEqual(lines(ours), lines(theirs));
    const about = ({ name, version, cksum }: DatabaseSchema) => [name, version, cksum];
    assert.deepEqual(about(ours), about(theirs));
  });
}

test('every published schema parses and prints as itself', () => {
  assert.ok(FILES.length >= 5);
  for (const file of FILES) {
    const schema = parseSchema(read(file));
    const printed = schemaToJson(schema);
    assert.deepEqual(lines(parseSchema(printed)), lines(schema), file);
    const { tables } = read(file) as { tables: Record<string, JsonObject> };
    const columns = (all: typeof tables) =>
      Object.entries(all)
        .map(([name, { columns: own }]) => [name, ...Object.keys(own as object).sort()])
        .sort(([a], [b]) => (a! < b! ? -1 : 1));
    assert.deepEqual(columns((printed as { tables: typeof tables }).tables), columns(tables), file);
  }
});
