/** A command line from its words to its output: for the program, and for other parts of Heddle. */
import { readFileSync } from 'node:fs';
import { HeddleError } from '@heddle/runtime/errors';
import { type CommandLine, parseLine } from './command-line.ts';
import { connect, isCluster } from './connect.ts';
import { VsctlError } from './errors.ts';
import { PROGRAM } from './program.ts';
import { type Log, type Outcome, prepare, Session } from './session.ts';
import { Watch } from './watch.ts';

export interface Output extends Log {
  print(text: string): void;
  printError(text: string): void;
}

/** Runs the commands; throws VsctlError. */
export async function execute(
  { commands, settings }: CommandLine,
  argv: readonly string[],
  output: Output,
): Promise<void> {
  const wanted = prepare(commands, output);
  const comment = commentOf(argv);
  let outcome: Outcome | undefined;
  for (;;) {
    const watch = new Watch();
    const rpc = await connect(settings, watch.handlers);
    watch.attach(rpc);
    try {
      if (!outcome) {
        const session = new Session(rpc, settings, comment, watch, output);
        outcome = await session.run(commands, wanted);
        output.print(outcome.text);
      }
      const { nextCfg, added } = outcome;
      if (nextCfg === undefined) return;
      await watch.switchReached(nextCfg);
      for (const line of await watch.setUpErrors(added)) output.printError(`${PROGRAM}: ${line}\n`);
      return;
    } catch (error) {
      if (rpc.isOpen || !(error instanceof HeddleError)) throw error;
      // What is done stays done: only the rest is left to another server.
      if (settings.retry || isCluster(settings)) continue;
      if (error instanceof VsctlError) throw error;
      throw new VsctlError(`${settings.db}: database connection failed (End of file)`);
    } finally {
      rpc.close();
    }
  }
}

/**
 * Runs a command line in this process and returns what it prints. The error of one that fails has
 * ovs-vsctl's text and exit status.
 */
export async function vsctl(argv: readonly string[]): Promise<string> {
  let printed = '';
  const output: Output = {
    print: (text) => {
      printed += text;
    },
    printError: () => {},
    warn: () => {},
    err: () => {},
  };
  const line = parseLine(argv, false);
  const { timeoutSecs } = line.settings;
  const running = execute(line, [PROGRAM, ...argv], output);
  await (timeoutSecs > 0 ? within(timeoutSecs, running) : running);
  return printed;
}

async function within(seconds: number, running: Promise<void>): Promise<void> {
  const { promise, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    reject(new VsctlError(`no answer from the database or the switch in ${seconds} s`));
  }, seconds * 1000);
  try {
    await Promise.race([running, promise]);
  } finally {
    clearTimeout(timer);
    running.catch(() => {});
  }
}

/** What the database's log is to say of the transaction; `comment` is there for this. */
function commentOf(argv: readonly string[]): string {
  return `${PROGRAM}${invoker()}: ${argv.join(' ')}`;
}

function invoker(): string {
  try {
    return ` (invoked by ${readFileSync(`/proc/${process.ppid}/comm`, 'utf8').trim()})`;
  } catch {
    return '';
  }
}
