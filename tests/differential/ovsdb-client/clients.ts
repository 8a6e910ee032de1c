/** The distribution's ovsdb-client and ours, on one server. */
import { spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { REPOSITORY } from '@heddle/testing';
import { main } from '../../../packages/cli/src/ovsdb-client/main.ts';
import { capture, type Output } from '../capture.ts';

export const THEIRS = '/usr/bin/ovsdb-client';

/** The arguments that start our client as a process of its own. */
export const OURS = [
  process.execPath,
  `${REPOSITORY}/packages/cli/src/run.ts`,
  'ovsdb-client',
] as const;

export function theirs(args: readonly string[], input?: string): Output {
  return runClient([THEIRS], args, input);
}

/** Ours in its own process, for what reads standard input. */
export function oursApart(args: readonly string[], input?: string): Output {
  return runClient(OURS, args, input);
}

function runClient(program: readonly string[], args: readonly string[], input?: string): Output {
  const [command, ...first] = program;
  // Theirs must be able to seek in it.
  const file = input === undefined ? undefined : fs.openSync(input, 'r');
  const { status, stdout, stderr } = spawnSync(command!, [...first, ...args], {
    timeout: 20_000,
    stdio: [file ?? 'ignore', 'pipe', 'pipe'],
  });
  if (file !== undefined) fs.closeSync(file);
  return output(status, stdout.toString(), stderr.toString());
}

/** getopt names the program as it was called. */
export function output(status: number | null, stdout: string, stderr: string): Output {
  return { status, stdout, stderr: stderr.replaceAll(`${THEIRS}: `, 'ovsdb-client: ') };
}

/** Ours in this process. */
export function ours(args: readonly string[]): Promise<Output> {
  return capture(main, args);
}

/** A client that goes on, and what it has printed so far. */
export class Lasting {
  text = '';
  readonly #child: ReturnType<typeof spawn>;

  constructor(program: 'theirs' | 'ours', args: readonly string[]) {
    const [command, ...first] = program === 'theirs' ? [THEIRS] : OURS;
    this.#child = spawn(command!, [...first, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.text += text;
      });
    }
  }

  kill(): void {
    this.#child.kill('SIGKILL');
  }
}
