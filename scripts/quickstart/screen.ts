/** What the quickstart shows: commands as they run, progress of what takes long, pictures. */
const colour = process.stdout.isTTY && process.env['NO_COLOR'] === undefined;

function paint(code: string, text: string): string {
  return colour ? `\x1b[${code}m${text}\x1b[0m` : text;
}

export const bold = (text: string): string => paint('1', text);
export const dim = (text: string): string => paint('2', text);
export const green = (text: string): string => paint('32', text);
export const red = (text: string): string => paint('31', text);

export function say(text = ''): void {
  process.stdout.write(`${text}\n`);
}

export function heading(text: string): void {
  say(`\n${bold(text)}`);
}

/** As typed at a shell. */
export function showCommand(argv: readonly string[]): void {
  const words = argv.map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word}'`));
  say(`  ${dim('$')} ${words.join(' ')}`);
}

/** Shows on a terminal how long the work has taken so far, and one line anywhere when it is done. */
export async function during<T>(what: string, work: () => Promise<T>): Promise<T> {
  const start = performance.now();
  const seconds = (): string => ((performance.now() - start) / 1000).toFixed(1);
  const tick = colour
    ? setInterval(() => process.stdout.write(`\r  ${what} ... ${seconds()} s`), 100)
    : undefined;
  try {
    const result = await work();
    say(`${colour ? '\r\x1b[K' : ''}  ${dim(`${what} (${seconds()} s)`)}`);
    return result;
  } finally {
    clearInterval(tick);
  }
}
