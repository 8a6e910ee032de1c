/**
 * The way in of every command, from its launcher or its bundle: `run.ts NAME ARG...` runs `main`
 * of NAME/main.ts and exits with the status that it returns. A module without `main` runs by
 * being loaded, and finds its arguments from process.argv[2] on.
 */
import { writeSync } from 'node:fs';
import { nameProcess, setScript } from '@heddle/runtime/self';

export interface CommandModule {
  main?(argv: readonly string[]): number | Promise<number>;
}

export async function run(
  name: string,
  argv: readonly string[],
  load: () => Promise<CommandModule>,
): Promise<void> {
  nameProcess(name);
  try {
    const status = await (await load()).main?.(argv);
    if (status !== undefined) process.exitCode = status;
  } catch (error) {
    if (isBrokenPipe(error)) process.exit(1);
    writeSync(2, `${name}: ${describe(error)}\n`);
    process.exit(1);
  }
}

/** The reader of our output has gone: there is nobody to tell. */
function isBrokenPipe(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'EPIPE';
}

/** A bug shows its stack; what the user can mend shows its message alone. */
function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const forUser =
    error.name !== 'Error' && !/^(Type|Range|Reference|Syntax)Error$/.test(error.name);
  return forUser || 'code' in error ? error.message : String(error.stack);
}

if (process.argv[1]?.endsWith('/run.ts')) {
  const [name = ''] = process.argv.splice(2, 1);
  setScript([process.argv[1], name]);
  const main = new URL(`./${name}/main.ts`, import.meta.url);
  await run(name, process.argv.slice(2), () => import(main.href) as Promise<CommandModule>);
}
