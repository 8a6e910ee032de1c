/** Lines of text, from the command line or a file, as flow mods. */

import { readFileSync } from 'node:fs';
import {
  type FlowMod,
  type FlowModCommand,
  type FlowTextOptions,
  OFPUTIL_P_ANY,
  type ParsedFlowMod,
  type Protocols,
  parseFlowMod,
  parseFlowModLine,
} from '@heddle/openflow';
import { errnoOf, HeddleError, SystemError } from '@heddle/runtime/errors';

export interface FlowMods {
  readonly mods: readonly FlowMod[];
  /** Flow formats that can carry all of them. */
  readonly protocols: Protocols;
}

function readText(file: string, failure: string): string {
  try {
    return readFileSync(file === '-' ? 0 : file, 'utf8');
  } catch (error) {
    throw new SystemError(errnoOf(error), `${file}: ${failure}`);
  }
}

/** Lines that say something, with their numbers; `#` begins a comment. */
export function* readLines(
  file: string,
  failure = 'open failed',
): IterableIterator<[number: number, text: string]> {
  yield* linesOf(readText(file, failure));
}

function* linesOf(text: string): IterableIterator<[number: number, text: string]> {
  let number = 0;
  for (let at = 0; at < text.length; ) {
    const end = text.indexOf('\n', at);
    const line = end < 0 ? text.slice(at) : text.slice(at, end);
    at = end < 0 ? text.length : end + 1;
    number++;
    const hash = line.indexOf('#');
    const words = (hash < 0 ? line : line.slice(0, hash)).trim();
    if (words !== '') yield [number, words];
  }
}

/** A file of flows, one to a line. */
export class FlowFile {
  readonly #file: string;
  readonly #text: string;
  readonly #command: FlowModCommand | undefined;
  readonly #options: FlowTextOptions;

  /** Each line may begin with its command when `command` is undefined. */
  constructor(
    file: string,
    command: FlowModCommand | undefined,
    options: FlowTextOptions,
    failure = 'open failed',
  ) {
    this.#file = file;
    this.#text = readText(file, failure);
    this.#command = command;
    this.#options = options;
  }

  /** Each flow with the formats that can carry it; with `into`, each is good until the next. */
  *flows(options: Pick<FlowTextOptions, 'into' | 'isAgain'> = {}): IterableIterator<ParsedFlowMod> {
    const all = { ...this.#options, ...options, memo: new Map() };
    for (const [number, line] of linesOf(this.#text)) {
      yield atLine(this.#file, number, () => parseLine(line, this.#command, all));
    }
  }
}

export function readFlowFile(
  file: string,
  command: FlowModCommand | undefined,
  options: FlowTextOptions,
  failure?: string,
): FlowMods {
  const mods: FlowMod[] = [];
  let protocols = OFPUTIL_P_ANY;
  for (const parsed of new FlowFile(file, command, options, failure).flows()) {
    mods.push(parsed.flowMod);
    protocols &= parsed.protocols;
  }
  return { mods, protocols };
}

/** Errors get the place where they are. */
export function atLine<T>(file: string, number: number, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (!(error instanceof HeddleError)) throw error;
    throw new HeddleError(`${file}:${number}: ${error.message}`);
  }
}

function parseLine(
  line: string,
  command: FlowModCommand | undefined,
  options: FlowTextOptions,
): ParsedFlowMod {
  return command === undefined || command === 'add'
    ? parseFlowModLine(line, options)
    : parseFlowMod(line, command, options);
}

export function parseFlowArgument(
  text: string,
  command: FlowModCommand,
  options: FlowTextOptions,
): FlowMods {
  const { flowMod, protocols } = parseFlowMod(text, command, options);
  return { mods: [flowMod], protocols };
}
