/**
 * Spoilt JSON, messages, schemas, transactions, monitors and log files: each is taken or refused
 * with an error of ours, in bounded time. HEDDLE_COUNT: how many of each; HEDDLE_SEED: which ones.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import {
  Database,
  decodeLog,
  encodeRecord,
  execute,
  type Json,
  parseJson,
  parseSchema,
  printJson,
  Tables,
} from '@heddle/ovsdb';
import { parseMessage } from '@heddle/ovsdb/server/message';
import { HeddleError, JsonStream, vlog } from '@heddle/runtime';
import { Random } from '@heddle/testing/random';
import { randomSchema } from '../differential/ovsdb/random-schema.ts';
import { TransactionMaker } from '../differential/ovsdb/random-transaction.ts';

const COUNT = Number(process.env['HEDDLE_COUNT'] ?? 3000);
const SEED = Number(process.env['HEDDLE_SEED'] ?? 1);
const SLOW_MS = 5000;
/** Bytes that mean something to some parser. */
const TOKENS = [
  ...['{', '}', '[', ']', '"', '\\', ',', ':', '\0', '\n', ' ', '-', '.', 'e', '0', '9', '\\u0000'],
  ...['\\ud800', 'null', 'true', '1e999', '-0', '9223372036854775808', '"set"', '"map"', '"uuid"'],
  ...['"named-uuid"', '["set",[]]', '__proto__', '"constructor"', '\xff', '\xc3', 'OVSDB JSON '],
  ...['OVSDB CLUSTER ', '99999999999999', '[[[[[[[[', '{"_is_diff":true}', '"_date":1e12'],
];

vlog.setLevel(undefined, 'console', 'off');
const dir = mkdtempSync(join(tmpdir(), 'heddle-fuzz-'));
after(() => rmSync(dir, { recursive: true, force: true }));

/** Cuts, doubles, flips or inserts, in one to four places. */
function spoil(r: Random, bytes: Buffer): Buffer {
  let out = bytes;
  for (let n = 1 + r.below(4); n > 0; n--) {
    const at = r.below(out.length + 1);
    const length = r.chance(0.7) ? r.below(4) : r.below(out.length - at + 1);
    const [before, rest] = [out.subarray(0, at), out.subarray(at)];
    const middle = [
      () => Buffer.alloc(0),
      () => Buffer.from(r.pick(TOKENS), 'latin1'),
      () => out.subarray(at, at + 2 * length),
      () => Buffer.from(Array.from({ length }, () => r.below(256))),
      () => Buffer.from(r.pick(TOKENS).repeat(1 + r.below(50)), 'latin1'),
    ];
    out = Buffer.concat([before, r.pick(middle)(), rest.subarray(Math.min(length, rest.length))]);
  }
  return out;
}

/** Replaces or removes something somewhere in it. */
function spoilJson(r: Random, json: Json): Json {
  const copy = structuredClone(json) as Record<string, Json>;
  const places: [Record<string, Json>, string][] = [];
  const visit = (node: Json) => {
    if (node === null || typeof node !== 'object') return;
    for (const key of Object.keys(node)) {
      places.push([node as Record<string, Json>, key]);
      visit((node as Record<string, Json>)[key]!);
    }
  };
  visit(copy);
  for (let n = 1 + r.below(2); n > 0 && places.length > 0; n--) {
    const [node, key] = r.pick(places);
    const [other, name] = r.pick(places);
    // Nothing that is parsed has holes.
    if (r.chance(0.2)) Array.isArray(node) ? node.splice(Number(key), 1) : delete node[key];
    else node[key] = r.chance(0.5) ? structuredClone(other[name] ?? null) : r.pick(JUNK);
  }
  return copy;
}

const JUNK: readonly Json[] = [
  ...[null, true, 0, -1, 1.5, 1e300, 9223372036854775807n, '', 'x', [], {}, ['set', []]],
  ...[['map', [[1, 2]]], ['uuid', 'x'], ['named-uuid', 'row0'], ['set', [['set', []]]], 'A', 'c0'],
];

/** An error of ours is an answer; any other is a bug, and so is a long time. */
function survives(what: string, input: string | Buffer, work: () => unknown): void {
  const start = performance.now();
  try {
    work();
  } catch (error) {
    if (!(error instanceof HeddleError)) {
      throw new Error(`${what}: ${input.toString('latin1').slice(0, 2000)}`, { cause: error });
    }
  }
  const took = performance.now() - start;
  assert.ok(took < SLOW_MS, `${what} takes ${took} ms: ${input.toString('latin1').slice(0, 2000)}`);
}

/** Whoever parses JSON makes an error of its own of what this throws. */
function parse(text: string): Json {
  try {
    return parseJson(text);
  } catch (error) {
    if (error instanceof SyntaxError) throw new HeddleError(error.message);
    throw error;
  }
}

function many(what: string, one: (r: Random) => void, share = 1): void {
  test(`${Math.ceil(COUNT * share)} ${what}`, () => {
    for (let i = 0; i < COUNT * share; i++) {
      try {
        one(new Random(SEED + i));
      } catch (error) {
        throw new Error(`HEDDLE_SEED=${SEED + i}`, { cause: error });
      }
    }
  });
}

/** Made once: to make them is slower than to judge what becomes of them. */
const SAMPLES = Array.from({ length: 40 }, (_, i) => {
  const r = new Random(i);
  const spec = randomSchema(r);
  const schema = parseSchema(spec.json);
  const maker = new TransactionMaker(r, spec, true);
  const transactions = Array.from({ length: 20 }, () => maker.transaction());
  return { spec, schema, transactions };
});

many('texts that may be JSON', (r) => {
  const { spec, transactions } = r.pick(SAMPLES);
  const text = spoil(r, Buffer.from(printJson(r.chance(0.3) ? spec.json : r.pick(transactions))));
  survives('JSON', text, () => printJson(parse(text.toString())));
});

many('streams of messages', (r) => {
  const { transactions } = r.pick(SAMPLES);
  const message = (id: number) => ({
    id,
    method: 'transact',
    params: ['R', ...r.pick(transactions)],
  });
  const bytes = spoil(r, Buffer.from(printJson(message(1)) + printJson(message(2))));
  survives('stream', bytes, () => {
    const stream = new JsonStream(1024 * 1024);
    for (let at = 0; at < bytes.length; ) {
      const end = at + 1 + r.below(bytes.length - at);
      for (const text of stream.push(bytes.subarray(at, end))) parseMessage(text);
      assert.ok(stream.pending <= bytes.length);
      at = end;
    }
  });
});

many('schemas', (r) => {
  const json = spoilJson(r, r.pick(SAMPLES).spec.json);
  survives('schema', printJson(json), () => new Tables(parseSchema(json)));
});

many('transactions', (r) => {
  const { schema, transactions } = r.pick(SAMPLES);
  const ops = spoilJson(r, r.pick(transactions)) as Json[];
  survives('transaction', printJson(ops), () => {
    const outcome = execute(new Tables(schema), ops, { ownsLock: () => false });
    if ('results' in outcome) printJson(outcome.results);
  });
});

many('log files', (r) => {
  const { spec, transactions } = r.pick(SAMPLES);
  const row = { c0: ['set', []] };
  const records = [
    spec.json,
    ...transactions
      .slice(0, 1 + r.below(3))
      .map((_, i) => ({ A: { [r.uuid()]: i === 0 ? row : null }, _date: 5 })),
  ];
  const whole = Buffer.concat(records.map((record) => encodeRecord(record as Json)));
  const bytes = r.chance(0.5)
    ? spoil(r, whole)
    : Buffer.concat(records.map((record) => encodeRecord(spoilJson(r, record as Json))));
  survives('log', bytes, () => decodeLog('log', bytes));
});

many(
  'databases',
  (r) => {
    const { spec } = r.pick(SAMPLES);
    const record = {
      A: { [r.uuid()]: { c0: ['set', []] }, [r.uuid()]: null },
      _is_diff: r.chance(0.5),
      _date: 5,
      // Long records are read row by row.
      ...(r.chance(0.2) ? { _comment: 'x'.repeat(70_000) } : {}),
    };
    const records = [
      encodeRecord(spec.json),
      encodeRecord(r.chance(0.7) ? spoilJson(r, record) : record),
    ];
    const bytes = r.chance(0.5) ? Buffer.concat(records) : spoil(r, Buffer.concat(records));
    const path = join(dir, 'db');
    writeFileSync(path, bytes);
    survives('database', bytes, () => Database.open(path).close());
  },
  0.1,
);
