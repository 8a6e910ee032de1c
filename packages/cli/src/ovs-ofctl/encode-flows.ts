/**
 * Flows of a file as messages, at once: parsed flows would take ten times the memory. Which format
 * the switch speaks shows only when all are read, so the likely one is taken; when it turns out to
 * be another, the file is read again.
 */
import {
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
import type { FlowFile } from './flow-lines.ts';

type ToBody = (flow: ParsedFlowMod['flowMod'], protocol: Protocols) => OfpBody;

export class EncodedFlows {
  /** Formats that can carry all flows. */
  usable: Protocols = OFPUTIL_P_ANY;
  readonly #file: FlowFile;
  readonly #toBody: ToBody;
  #log = new MessageLog();
  #protocol: Protocols | undefined;

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
    this.#log = new MessageLog();
    for (const { flowMod } of this.#file.flows({ into: new Match(), isAgain: true })) {
      this.#append(flowMod, protocol);
    }
    this.#protocol = protocol;
    return this.#log;
  }

  /** False when a flow has changed the likely format. */
  #read(allowed: Protocols, isAgain: boolean): boolean {
    const into = new Match();
    this.#log = new MessageLog();
    this.#protocol = likely(this.usable & allowed);
    let isKnown = true;
    for (const { flowMod, protocols } of this.#file.flows({ into, isAgain })) {
      if ((this.usable & protocols) !== this.usable) {
        this.usable &= protocols;
        const protocol = likely(this.usable & allowed);
        if (protocol !== this.#protocol && this.#log.length > 0) return false;
        this.#protocol = protocol;
      }
      if (this.#protocol === undefined || !isKnown) continue;
      try {
        this.#append(flowMod, this.#protocol);
      } catch (error) {
        // Told when the switch has been reached.
        if (!(error instanceof OfpError)) throw error;
        isKnown = false;
      }
    }
    if (!isKnown) this.#protocol = undefined;
    return true;
  }

  #append(flow: ParsedFlowMod['flowMod'], protocol: Protocols): void {
    const version = protocolVersion(protocol);
    const body = this.#toBody(flow, protocol);
    this.#log.append(Object.assign(body, { version, xid: 0 }) as OfpMessage);
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
