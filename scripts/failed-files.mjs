/** A reporter of node:test: the files in which something failed, one on each line. */
import { relative } from 'node:path';

export default async function* failedFiles(source) {
  const told = new Set();
  for await (const { type, data } of source) {
    if (type !== 'test:fail' || data.file === undefined || told.has(data.file)) continue;
    told.add(data.file);
    yield `${relative('.', data.file)}\n`;
  }
}
