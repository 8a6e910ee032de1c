/** Commands that go on until they are told to end: with --detach, through a control socket. */

import { UnixctlServer, unixctlPath } from '@heddle/runtime';
import { HeddleError } from '@heddle/runtime/errors';
import type { Context } from './context.ts';
import { PROGRAM } from './program.ts';

export interface ControlCommand {
  readonly args: string;
  run(args: readonly string[]): string | Promise<string>;
}

/** With --detach, makes the control socket; undefined without. */
export function background(
  context: Context,
  commands: Readonly<Record<string, ControlCommand>>,
): UnixctlServer | undefined {
  if (!context.settings.detach) return undefined;
  const ctl = new UnixctlServer(PROGRAM);
  for (const [name, { args, run }] of Object.entries(commands)) {
    const count = args === '' ? 0 : args.split(' ').length;
    ctl.register(name, args, count, count, run);
  }
  return ctl;
}

/** Lets the parent of a detached command return; ends by `exit`, or fails when the server goes. */
export async function serveUntilExit(
  context: Context,
  ctl: UnixctlServer | undefined,
): Promise<void> {
  let exit: () => void = () => {};
  const exited = new Promise<void>((resolve) => {
    exit = resolve;
  });
  if (ctl) {
    ctl.register('exit', '', 0, 0, () => {
      setImmediate(exit);
      return '';
    });
    await ctl.listen(unixctlPath(PROGRAM, undefined));
  }
  context.daemon.ready();
  const lost = context.closed.then(() => {
    throw new HeddleError(`${context.remote}: receive failed (End of file)`);
  });
  await Promise.race([exited, lost]);
  lost.catch(() => {});
  ctl?.close();
}
