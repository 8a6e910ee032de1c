/** monitor and snoop: prints what comes, until told to end. */
import { closeSync, openSync, writeSync } from 'node:fs';
import {
  encodeMessage,
  OFPUTIL_P_OF10_STD,
  type OfpBody,
  type OfpMessage,
  type PacketInFormat,
  parseFlowMonitorRequest,
  parsePacketOut,
  type Received,
  type VconnClient,
  versionProtocols,
} from '@heddle/openflow';
import { UnixctlServer, unixctlPath } from '@heddle/runtime';
import { errnoOf, HeddleError, strerror } from '@heddle/runtime/errors';
import { print, printError } from '@heddle/runtime/stdio';
import { UnixctlError } from '@heddle/runtime/unixctl-server';
import { type Context, complain, dump, open } from './context.ts';
import { timestamp } from './monitor-time.ts';
import { Printer } from './printer.ts';
import { PROGRAM } from './program.ts';
import { portsToAccept, tablesToAccept } from './switch-names.ts';
import { allowedVersions, nextXid, openTarget, peekXid, versionsText } from './target.ts';

const INVALID_TTL_TO_CONTROLLER = 4;
const PACKET_IN_FORMATS: readonly PacketInFormat[] = [
  'nxt_packet_in2',
  'nxt_packet_in',
  'standard',
];

export async function monitor(all: Context): Promise<number> {
  const ctx = all.args.slice(1).includes('invalid_ttl') ? ofTtlVersions(all) : all;
  const vconn = await open(ctx);
  let missSendLen = 0;
  let resumes = false;
  let monitors = 0;
  for (const word of ctx.args.slice(1)) {
    if (/^\d/.test(word)) {
      missSendLen = leadingNumber(word) & 0xffff;
      if (!(await setConfig(ctx, vconn, 0, missSendLen))) return 1;
    } else if (word === 'invalid_ttl') {
      if (!(await setConfig(ctx, vconn, INVALID_TTL_TO_CONTROLLER, missSendLen))) return 1;
    } else if (word === 'resume') {
      resumes = true;
      // Packets are to be heard of, whatever else is asked for.
      missSendLen = 0xffff;
      if (!(await setConfig(ctx, vconn, 0, missSendLen))) return 1;
    } else if (word.startsWith('watch:')) {
      await watch(ctx, vconn, word.slice('watch:'.length), monitors++);
    } else throw new HeddleError(`${word}: unsupported "monitor" argument`);
  }
  await setPacketInFormat(ctx, vconn);
  return new Follower(ctx, vconn, await Printer.of(ctx.settings, ctx.args[0]!, 2), {
    resumes,
  }).run();
}

/** Later ones tell of that by their asynchronous configuration, and have no flag for it. */
const TTL_VERSIONS = (1 << 1) | (1 << 2) | (1 << 3);

function ofTtlVersions(ctx: Context): Context {
  const versions = allowedVersions(ctx.settings) & TTL_VERSIONS;
  if (versions === 0) {
    const needs = versionsText(TTL_VERSIONS);
    const why = `requires one of the OpenFlow versions ${needs} but none is enabled (use -O)`;
    throw new HeddleError(`invalid_ttl ${why}`);
  }
  return { ...ctx, settings: { ...ctx.settings, versions } };
}

export async function snoop(ctx: Context): Promise<number> {
  const vconn = await openTarget(ctx.settings, ctx.args[0]!, 'snoop');
  const printer = await Printer.of(ctx.settings, ctx.args[0]!, 2);
  return new Follower(ctx, vconn, printer, { onlyListens: true }).run();
}

/** As atoi(3): what is behind the digits does not count. */
function leadingNumber(word: string): number {
  return Number(BigInt.asUintN(32, BigInt(/^\d+/.exec(word)![0])));
}

async function watch(ctx: Context, vconn: VconnClient, spec: string, id: number): Promise<void> {
  const { settings, args } = ctx;
  const tables = await tablesToAccept(settings, args[0]!);
  const ports = await portsToAccept(settings, args[0]!);
  const { monitor } = parseFlowMonitorRequest(spec, id, { ports, tables });
  const body = { type: 'flow_monitor_request', monitors: [monitor] } as const;
  if (settings.verbosity > 0) {
    const { version } = vconn;
    const printer = await Printer.of(settings, args[0]!);
    print(printer.raw(encodeMessage({ ...body, version, xid: peekXid() } as OfpMessage)));
  }
  await dump(ctx, vconn, body);
}

/** `flags`: added to those that the switch has. */
async function setConfig(
  ctx: Context,
  vconn: VconnClient,
  flags: number,
  missSendLen: number,
): Promise<boolean> {
  const { msg } = await vconn.transact({ type: 'get_config_request' });
  const old = msg?.type === 'get_config_reply' ? msg.flags : 0;
  vconn.send({ type: 'set_config', flags: old | flags, missSendLen });
  const [error] = await vconn.barrier();
  return error === undefined || complain(ctx, error);
}

/** The best format that the switch takes, unless one is insisted on. */
async function setPacketInFormat(ctx: Context, vconn: VconnClient): Promise<void> {
  const { packetInFormat } = ctx.settings;
  for (const format of packetInFormat ? [packetInFormat] : PACKET_IN_FORMATS) {
    vconn.send({ type: 'set_packet_in_format', format });
    if ((await vconn.barrier()).length === 0) return;
  }
  if (packetInFormat !== undefined) {
    throw new HeddleError(
      `${vconn.name}: failed to set packet in format to ${packetInFormat}, format not supported`,
    );
  }
}

class Follower {
  readonly #ctx: Context;
  readonly #vconn: VconnClient;
  readonly #printer: Printer;
  /** Of what ofctl/send and ofctl/packet-out send less is told. */
  readonly #sentPrinter: Printer;
  readonly #resumes: boolean;
  readonly #onlyListens: boolean;
  /** Output goes to standard error unless a file was named. */
  #fd = 2;
  #blocked = false;
  #unblock: () => void = () => undefined;
  #exit: () => void = () => undefined;
  readonly #barriers = new Map<number, () => void>();

  /**
   * `resumes`: packets whose pipeline is paused for a controller go on when they have been shown.
   * `onlyListens`: echo requests are somebody else's.
   */
  constructor(
    ctx: Context,
    vconn: VconnClient,
    printer: Printer,
    { resumes = false, onlyListens = false },
  ) {
    this.#ctx = ctx;
    this.#vconn = vconn;
    this.#resumes = resumes;
    this.#onlyListens = onlyListens;
    this.#printer = printer;
    this.#sentPrinter = printer.withVerbosity(ctx.settings.verbosity);
  }

  async run(): Promise<number> {
    const daemon = await this.#ctx.daemonize();
    const exited = new Promise<'exit'>((resolve) => {
      this.#exit = () => resolve('exit');
    });
    const ctl = await this.#listen();
    daemon.ready();
    try {
      for (;;) {
        const received = await Promise.race([this.#vconn.receive(), exited]);
        if (received === 'exit') return 0;
        this.#message(received);
        if (this.#blocked) {
          const unblocked = new Promise<void>((resolve) => {
            this.#unblock = resolve;
          });
          await Promise.race([unblocked, exited]);
        }
      }
    } catch (error) {
      if (!(error instanceof HeddleError)) throw error;
      throw new HeddleError(`vconn_recv (${error.message})`);
    } finally {
      ctl?.close();
      this.#vconn.close();
    }
  }

  #message(received: Received): void {
    const { msg } = received;
    if (msg?.type === 'echo_request' && !this.#onlyListens) {
      this.#vconn.send({ type: 'echo_reply', data: msg.data }, msg.xid);
      return;
    }
    const time = this.#ctx.settings.timestamp ? `${timestamp(new Date())}: ` : '';
    this.#write(`${time}${this.#printer.message(received)}`);
    if (this.#resumes && msg?.type === 'packet_in' && msg.continuation) {
      const { userdata: _, ...paused } = msg;
      this.#sendShown('send: ', { ...paused, type: 'resume' }, this.#printer);
    }
    if (msg?.type !== 'barrier_reply') return;
    this.#barriers.get(msg.xid)?.();
    this.#barriers.delete(msg.xid);
  }

  #write(text: string): void {
    if (this.#fd === 2) printError(text);
    else writeSync(this.#fd, text);
  }

  async #listen(): Promise<UnixctlServer | undefined> {
    const { unixctl } = this.#ctx.settings;
    if (unixctl === 'none') return undefined;
    const ctl = new UnixctlServer(PROGRAM);
    ctl.register('exit', '', 0, 0, () => {
      setImmediate(this.#exit);
      return '';
    });
    ctl.register('ofctl/send', 'OFMSG...', 1, Number.POSITIVE_INFINITY, (a) => this.#send(a));
    const usage = '"in_port=<port> packet=<hex data> actions=..."';
    ctl.register('ofctl/packet-out', usage, 1, 1, ([line = '']) => this.#packetOut(line));
    ctl.register('ofctl/barrier', '', 0, 0, () => this.#barrier());
    ctl.register('ofctl/set-output-file', 'FILE', 1, 1, ([file = '']) => this.#setOutput(file));
    ctl.register('ofctl/block', '', 0, 0, () => this.#block(true));
    ctl.register('ofctl/unblock', '', 0, 0, () => this.#block(false));
    await ctl.listen(unixctlPath(PROGRAM, unixctl));
    return ctl;
  }

  #send(messages: readonly string[]): string {
    let said = '';
    for (const text of messages) {
      const bytes = messageBytes(text);
      if (typeof bytes === 'string') throw new UnixctlError(`${said}${bytes}`);
      this.#show('send: ', bytes, this.#sentPrinter);
      this.#vconn.sendRaw(bytes);
      said += 'sent\n';
    }
    return said;
  }

  async #packetOut(line: string): Promise<string> {
    const { settings, args } = this.#ctx;
    const tables = await tablesToAccept(settings, args[0]!);
    const ports = await portsToAccept(settings, args[0]!);
    const { packetOut, protocols } = parsePacketOut(line, { ports, tables });
    const { version } = this.#vconn;
    // Nobody has asked OpenFlow 1.0 for an extension.
    const spoken = version === 1 ? OFPUTIL_P_OF10_STD : versionProtocols(version);
    if ((spoken & protocols) === 0) {
      throw new UnixctlError('PACKET_OUT actions are incompatible with the OpenFlow connection.');
    }
    this.#sendShown('', { ...packetOut, type: 'packet_out' }, this.#sentPrinter);
    return '';
  }

  #sendShown(prefix: string, body: OfpBody, printer: Printer): void {
    const { version } = this.#vconn;
    const bytes = encodeMessage({ ...body, version, xid: nextXid() } as OfpMessage);
    this.#show(prefix, bytes, printer);
    this.#vconn.sendRaw(bytes);
  }

  /** What the log says of a message comes behind the prefix, as upstream's. */
  #show(prefix: string, bytes: Uint8Array, printer: Printer): void {
    if (prefix !== '') this.#write(prefix);
    this.#write(printer.raw(bytes));
  }

  #barrier(): Promise<string> {
    const xid = this.#vconn.send({ type: 'barrier_request' });
    return new Promise((resolve) => this.#barriers.set(xid, () => resolve('')));
  }

  #setOutput(file: string): string {
    let fd: number;
    try {
      fd = openSync(file, 'w');
    } catch (error) {
      throw new UnixctlError(strerror(errnoOf(error)));
    }
    if (this.#fd !== 2) closeSync(this.#fd);
    this.#fd = fd;
    return '';
  }

  #block(on: boolean): string {
    if (this.#blocked === on) return on ? 'already blocking\n' : 'already unblocked\n';
    this.#blocked = on;
    if (!on) this.#unblock();
    return '';
  }
}

/** A text says what is wrong. */
function messageBytes(text: string): Uint8Array | string {
  const digits = text.replace(/\s/g, '');
  if (!/^([0-9a-fA-F]{2})*$/.test(digits)) return 'Trailing garbage in hex data';
  const bytes = Buffer.from(digits, 'hex');
  if (bytes.length < 8) return 'Message too short for OpenFlow';
  if (bytes.readUInt16BE(2) !== bytes.length) {
    return 'Message size does not match length in OpenFlow header';
  }
  return bytes;
}
