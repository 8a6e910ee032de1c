/** Which parts of a benchmark its command line asks for: all when it names none. Throws on one that there is not. */
export function partsAsked(named: readonly string[], all: readonly string[]): ReadonlySet<string> {
  const unknown = named.find((part) => !all.includes(part));
  if (unknown !== undefined) throw new Error(`no part ${unknown}: ${all.join(' ')}`);
  return new Set(named.length === 0 ? all : named);
}
