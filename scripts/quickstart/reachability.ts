/** Who reaches whom: every container pings every other one, all at the same time. */
import { run } from '@heddle/testing';
import { green, red, say } from './screen.ts';
import { NODES } from './topology.ts';
import type { World } from './world.ts';

export type Matrix = ReadonlyMap<string, ReadonlySet<string>>;

export async function measure(world: World): Promise<Matrix> {
  const rows = NODES.map(async ({ name }) => [name, await reachedBy(world, name)] as const);
  return new Map(await Promise.all(rows));
}

async function reachedBy(world: World, from: string): Promise<Set<string>> {
  const node = world.nodes.get(from)!;
  const others = NODES.filter(({ name }) => name !== from);
  const script = others
    .map(({ name, address }) => `(ping -c 2 -i 0.2 -W 1 ${address} >/dev/null && echo ${name}) &`)
    .join(' ');
  const shell = ['sh', '-c', `${script} wait`];
  const argv =
    world.docker === undefined
      ? node.host.argv(...shell)
      : ['docker', 'exec', node.label, ...shell];
  const { stdout } = await run(argv, { env: world.docker?.env ?? {} });
  return new Set(stdout.split('\n').filter((line) => line !== ''));
}

export function show(matrix: Matrix): void {
  const names = NODES.map(({ name }) => name);
  say(`\n  reaches  ${names.join('  ')}`);
  for (const from of names) {
    const cells = names.map((to) => {
      if (from === to) return '·';
      return matrix.get(from)?.has(to) ? green('✓') : red('✗');
    });
    say(`     ${from}     ${cells.join('  ')}`);
  }
}

/** `expected`: the groups whose members reach each other, and nobody else. */
export function differs(matrix: Matrix, expected: readonly string[]): string[] {
  const wrong: string[] = [];
  for (const { name: from } of NODES) {
    for (const { name: to } of NODES) {
      if (from === to) continue;
      const should = expected.some((group) => group.includes(from) && group.includes(to));
      const does = matrix.get(from)?.has(to) === true;
      if (should !== does) wrong.push(`${from} ${does ? 'reaches' : 'does not reach'} ${to}`);
    }
  }
  return wrong;
}
