/**
 * Flows of a file as messages, at once: parsed flows would take ten times the memory. Which format
 * the switch speaks shows only when all are read, so the likely one is taken; when it turns out to
 * be another, the file is read again.
 */
import {
  FlowTemplates,
  Match,
  MessageLog,
  OFPUTIL_P_ANY,
  type OfpBody,
  OfpError,
  type OfpMessage,
  type OfpVersion,
  type ParsedFlowMod,
  PROTOCOL_ORDER,
  type Protocols,
  protocolVersion,
  versionProtocols,
} from '@heddle/openflow';
import { HeddleError } from '@heddle/runtime/errors';
import type { FileLine, FlowFile } from './flow-lines.ts';

type ToBody = (flow: ParsedFlowMod['flowMod'], protocol: Protocols) => OfpBody;

export class EncodedFlows {
  /** Formats that can carry all flows. */
  usable: Protocols = OFPUTIL_P_ANY;
  readonly #file: FlowFile;
  readonly #toBody: ToBody;
  readonly #into = new Match();
  #log = new MessageLog();
  #protocol: Protocols | undefined;
  #templates = new FlowTemplates(() => undefined);

  /** `allowed`: formats of which one will be asked for. Throws what is wrong with the file. */
  constructor(file: FlowFile, allowed: Protocols, toBody: ToBody) {
    this.#file = file;
    this.#toBody = toBody;
    let isAgain = false;
    while (!this.#read(allowed, isAgain)) isAgain = true;
  }

  /** The messages, their xids 0. */
  messages(protocol: Protocols): MessageLog {
    if (protocol === this.#protocol) return this.#log;
    this.#begin(protocol);
    for (const line of this.#file.lines()) {
      if (this.#copy(line)) continue;
      const flow = this.#file.flow(line, { into: this.#into, isAgain: true });
      if (flow) this.#append(line, flow, protocol);
    }
    return this.#log;
  }

  /** False when a flow has changed the likely format. */
  #read(allowed: Protocols, isAgain: boolean): boolean {
    this.#begin(likely(this.usable & allowed));
    let isKnown = true;
    for (const line of this.#file.lines()) {
      // Its formats are those of the lines that its template was made of.
      if (isKnown && this.#copy(line)) continue;
      const flow = this.#file.flow(line, { into: this.#into, isAgain });
      if (!flow) continue;
      if ((this.usable & flow.protocols) !== this.usable) {
        this.usable &= flow.protocols;
        const protocol = likely(this.usable & allowed);
        if (protocol !== this.#protocol && this.#log.length > 0) return false;
        if (protocol !== this.#protocol) this.#begin(protocol);
      }
      if (this.#protocol === undefined || !isKnown) continue;
      try {
        this.#append(line, flow, this.#protocol);
      } catch (error) {
        // Told when the switch has been reached.
        if (!(error instanceof OfpError)) throw error;
        isKnown = false;
      }
    }
    if (!isKnown) this.#protocol = undefined;
    return true;
  }

  #begin(protocol: Protocols | undefined): void {
    this.#log = new MessageLog();
    this.#protocol = protocol;
    const scratch = new MessageLog();
    this.#templates = new FlowTemplates((text) => this.#tryEncode(scratch, text, protocol));
  }

  #copy({ bytes, from, to }: FileLine): boolean {
    const message = this.#templates.find(bytes, from, to);
    if (message) this.#log.push(message);
    return message !== undefined;
  }

  #append(line: FileLine, flow: ParsedFlowMod, protocol: Protocols): void {
    const message = this.#encode(this.#log, flow, protocol);
    // What the log is told of one line it is to be told of all.
    if (!flow.isNormalized) this.#templates.learn(line.bytes, line.from, line.to, message);
  }

  #encode(log: MessageLog, { flowMod }: ParsedFlowMod, protocol: Protocols): Uint8Array {
    const version = protocolVersion(protocol);
    const body = this.#toBody(flowMod, protocol);
    return log.append(Object.assign(body, { version, xid: 0 }) as OfpMessage);
  }

  /** A line that is not in the file. */
  #tryEncode(
    log: MessageLog,
    text: string,
    protocol: Protocols | undefined,
  ): Uint8Array | undefined {
    if (protocol === undefined) return undefined;
    try {
      const flow = this.#file.parse(text, { isAgain: true });
      const isPlain = !flow.isNormalized && (this.usable & flow.protocols) === this.usable;
      return isPlain ? this.#encode(log, flow, protocol).slice() : undefined;
    } catch (error) {
      if (error instanceof OfpError || error instanceof HeddleError) return undefined;
      throw error;
    }
  }
}

/** The preferred format of the newest version. */
function likely(protocols: Protocols): Protocols | undefined {
  for (let version = 6; version >= 1; version--) {
    const some = protocols & versionProtocols(version as OfpVersion);
    if (some !== 0) return PROTOCOL_ORDER.find((protocol) => (protocol & some) !== 0);
  }
  return undefined;
}
