/** Commands as an operator types them, shown with what they print. */
import { collect, type Docker, type Instance, REPOSITORY, start } from '@heddle/testing';
import { dim, say, showCommand } from './screen.ts';

/** Where commands run: beside a switch, with its files. */
export interface Place {
  readonly instance: Instance;
  readonly docker: Docker | undefined;
}

export async function command(place: Place, ...argv: string[]): Promise<void> {
  showCommand(argv);
  // Behind the installed commands, where those are asked for; before them otherwise.
  const path = `${place.instance.env['PATH']}:${REPOSITORY}/bin:/usr/local/bin`;
  const env = { ...place.instance.env, ...place.docker?.env, PATH: path };
  const child = start(place.instance.host.argv(...argv), { env });
  const { code, stdout, stderr } = await collect(child);
  showOutput(`${stdout}${stderr}`);
  if (code !== 0) throw new Error(`${argv.join(' ')}: exit ${code}`);
}

const SHOWN_LINES = 16;

function showOutput(text: string): void {
  const lines = text.split('\n').filter((line) => line !== '');
  // Of flows, the busiest first.
  const packets = (line: string): number => Number(/packets:(\d+)/.exec(line)?.[1] ?? 0);
  lines.sort((a, b) => packets(b) - packets(a));
  for (const line of lines.slice(0, SHOWN_LINES)) say(`    ${line}`);
  if (lines.length > SHOWN_LINES) say(dim(`    ... and ${lines.length - SHOWN_LINES} more`));
}
