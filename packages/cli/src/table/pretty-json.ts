import { isArray, isObject, type Json, printSortedJson } from '@heddle/ovsdb/notation/index';

/** JSON as `--pretty` prints it: one member or element a line, closing brackets at the last one. */
export function prettyJson(json: Json, depth = 0): string {
  const indent = `\n${'  '.repeat(depth + 1)}`;
  if (isArray(json) && json.length > 0) {
    return `[${indent}${json.map((item) => prettyJson(item, depth + 1)).join(`,${indent}`)}]`;
  }
  if (isObject(json) && Object.keys(json).length > 0) {
    const members = Object.keys(json)
      .sort()
      .map((key) => `${JSON.stringify(key)}: ${prettyJson(json[key]!, depth + 1)}`);
    return `{${indent}${members.join(`,${indent}`)}}`;
  }
  return printSortedJson(json);
}
