/** JSON-RPC 1.0 messages as they come in, judged in upstream's words. */
import { HeddleError, messageOf } from '@heddle/runtime';
import { isArray, isObject, type Json, type JsonObject, parseJson } from '../notation/index.ts';

export type Message =
  | {
      readonly type: 'request';
      readonly method: string;
      readonly params: Json[];
      readonly id: Json;
    }
  | { readonly type: 'notification'; readonly method: string; readonly params: Json[] }
  | { readonly type: 'reply' | 'error'; readonly id: Json };

const MEMBERS = ['method', 'params', 'error', 'result', 'id'] as const;
const NEEDS = {
  request: ['method', 'params', 'id'],
  notification: ['method', 'params'],
  reply: ['result', 'id'],
  error: ['error', 'id'],
} as const;

/**
 * `dubious`: the text may hold what JSON parsers do not agree about. Throws HeddleError for what is
 * no message: the stream is of no more use then.
 */
export function parseMessage(text: string, dubious = DUBIOUS.test(text)): Message {
  const json = parse(text, dubious);
  if (!isObject(json)) throw bad('message is not a JSON object');
  const { method, params, error, result, id } = json;
  if (method !== undefined && typeof method !== 'string') {
    throw bad('method is not a JSON string');
  }
  for (const name in json) {
    if (!MEMBERS.includes(name as 'id')) throw bad(`message has unexpected member "${name}"`);
  }
  const type =
    (result ?? null) !== null
      ? 'reply'
      : (error ?? null) !== null
        ? 'error'
        : (id ?? null) !== null
          ? 'request'
          : 'notification';
  checkMembers(type, json);
  if (type === 'reply' || type === 'error') return { type, id: id! };
  if (!isArray(params)) throw bad('"params" must be JSON array');
  const call = { method: method as string, params: params as Json[] };
  return type === 'request' ? { type, ...call, id: id! } : { type, ...call };
}

function checkMembers(type: keyof typeof NEEDS, json: JsonObject): void {
  for (const member of MEMBERS) {
    const needed = (NEEDS[type] as readonly string[]).includes(member);
    if (needed === ((json[member] ?? null) !== null)) continue;
    throw bad(`${type} must${needed ? '' : ' not'} have "${member}"`);
  }
}

function bad(what: string): HeddleError {
  return new HeddleError(`received bad JSON-RPC message: ${what}`);
}

/**
 * What JSON.parse takes and upstream does not, or takes for another number: only then is every value
 * looked at.
 */
const DUBIOUS = /\\u|[eE]\+?\d{3}|\d{16}/;

function parse(text: string, dubious: boolean): Json {
  let json: Json;
  try {
    json = dubious ? parseJson(text) : (JSON.parse(text) as Json);
  } catch (error) {
    throw new HeddleError(`syntax error: ${messageOf(error)}`);
  }
  if (dubious) check(json);
  return json;
}

/** No null characters, no halves of surrogate pairs, no numbers beyond a double. */
function check(json: Json): void {
  if (typeof json === 'number') {
    if (!Number.isFinite(json)) throw new HeddleError('number outside valid range');
  } else if (typeof json === 'string') {
    if (json.includes('\0')) throw new HeddleError('null bytes not supported in quoted strings');
    if (!json.isWellFormed()) throw new HeddleError('malformed Unicode surrogate pair');
  } else if (isArray(json)) for (const element of json) check(element);
  else if (isObject(json)) {
    for (const [name, value] of Object.entries(json)) {
      check(name);
      check(value);
    }
  }
}
