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

function readBytes(file: string, failure: string): Buffer {
  try {
    return readFileSync(file === '-' ? 0 : file);
  } catch (error) {
    throw new SystemError(errnoOf(error), `${file}: ${failure}`);
  }
}

/** Lines that say something, with their numbers; `#` begins a comment. */
export function* readLines(
  file: string,
  failure = 'open failed',
): IterableIterator<[number: number, text: string]> {
  for (const line of linesOf(readBytes(file, failure))) {
    const text = textOf(line);
    if (text !== '') yield [line.number, text];
  }
}

/** A line, or what lies between two others, in the bytes of a file. */
export interface FileLine {
  readonly bytes: Buffer;
  readonly number: number;
  readonly from: number;
  readonly to: number;
}

function* linesOf(bytes: Buffer): IterableIterator<FileLine> {
  let number = 0;
  for (let from = 0; from < bytes.length; ) {
    const end = bytes.indexOf(LINE_FEED, from);
    const to = end < 0 ? bytes.length : end;
    yield { bytes, number: ++number, from, to };
    from = to + 1;
  }
}

const LINE_FEED = 0x0a;

function textOf({ bytes, from, to }: FileLine): string {
  const line = bytes.toString('utf8', from, to);
  const hash = line.indexOf('#');
  return (hash < 0 ? line : line.slice(0, hash)).trim();
}

/** A file of flows, one to a line. */
export class FlowFile {
  readonly #file: string;
  readonly #bytes: Buffer;
  readonly #command: FlowModCommand | undefined;
  readonly #options: FlowTextOptions;
  readonly #memo = new Map();

  /** Each line may begin with its command when `command` is undefined. */
  constructor(
    file: string,
    command: FlowModCommand | undefined,
    options: FlowTextOptions,
    failure = 'open failed',
  ) {
    this.#file = file;
    this.#bytes = readBytes(file, failure);
    this.#command = command;
    this.#options = options;
  }

  lines(): IterableIterator<FileLine> {
    return linesOf(this.#bytes);
  }

  /** The flow of a line; undefined when there is none. */
  flow(line: FileLine, options: LineOptions): ParsedFlowMod | undefined {
    const text = textOf(line);
    if (text === '') return undefined;
    return atLine(this.#file, line.number, () => this.parse(text, options));
  }

  /** The flow of a text as if it were a line. */
  parse(text: string, options: LineOptions): ParsedFlowMod {
    return parseLine(text, this.#command, { ...this.#options, ...options, memo: this.#memo });
  }

  /** Each flow with the formats that can carry it; with `into`, each is good until the next. */
  *flows(options: LineOptions = {}): IterableIterator<ParsedFlowMod> {
    for (const line of this.lines()) {
      const flow = this.flow(line, options);
      if (flow) yield flow;
    }
  }
}

type LineOptions = Pick<FlowTextOptions, 'into' | 'isAgain'>;

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
  return command === undefined
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
