/** monitor and snoop: prints what comes, until told to end. */
import { closeSync, openSync, writeSync } from 'node:fs';
import {
  encodeMessage,
  type OfpBody,
  type OfpMessage,
  type PacketInFormat,
  parseFlowMonitorRequest,
  parsePacketOut,
  type Received,
  type VconnClient,
} from '@heddle/openflow';
import { UnixctlServer, unixctlPath } from '@heddle/runtime';
import { HeddleError } from '@heddle/runtime/errors';
import { printError } from '@heddle/runtime/stdio';
import { UnixctlError } from '@heddle/runtime/unixctl-server';
import { type Context, complain, dump, open } from './context.ts';
import { timestamp } from './monitor-time.ts';
import { Printer } from './printer.ts';
import { PROGRAM } from './program.ts';
import { portsToAccept, tablesToAccept } from './switch-names.ts';
import { allowedVersions, openTarget, versionsText } from './target.ts';

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
  let flags: number | undefined;
  let resumes = false;
  for (const word of ctx.args.slice(1)) {
    if (/^\d+$/.test(word)) {
      missSendLen = Number(word);
      flags ??= 0;
    } else if (word === 'invalid_ttl') {
      flags = (flags ?? 0) | INVALID_TTL_TO_CONTROLLER;
    } else if (word === 'resume') {
      resumes = true;
      // Packets are to be heard of, whatever else is asked for.
      missSendLen = 0xffff;
      flags ??= 0;
    } else if (word.startsWith('watch:')) await watch(ctx, vconn, word.slice('watch:'.length));
    else throw new HeddleError(`${word}: unsupported "monitor" argument`);
  }
  if (flags !== undefined && !(await setConfig(ctx, vconn, flags, missSendLen))) return 1;
  await setPacketInFormat(ctx, vconn);
  return new Follower(ctx, vconn, resumes).run();
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
  return new Follower(ctx, vconn).run();
}

async function watch(ctx: Context, vconn: VconnClient, spec: string): Promise<void> {
  const target = ctx.args[0]!;
  const tables = await tablesToAccept(ctx.settings, target);
  const ports = await portsToAccept(ctx.settings, target);
  const { monitor } = parseFlowMonitorRequest(spec, 1, { ports, tables });
  await dump(ctx, vconn, { type: 'flow_monitor_request', monitors: [monitor] });
}

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
  readonly #resumes: boolean;
  /** Output goes to standard error unless a file was named. */
  #fd = 2;
  #blocked = false;
  #unblock: () => void = () => undefined;
  #exit: () => void = () => undefined;
  readonly #barriers = new Map<number, () => void>();

  /** `resumes`: packets whose pipeline is paused for a controller go on when they have been shown. */
  constructor(ctx: Context, vconn: VconnClient, resumes = false) {
    this.#ctx = ctx;
    this.#vconn = vconn;
    this.#resumes = resumes;
    this.#printer = new Printer(ctx.settings, 2);
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
      throw new HeddleError(`${this.#vconn.name}: receive failed (${error.message})`);
    } finally {
      ctl?.close();
      this.#vconn.close();
    }
  }

  #message(received: Received): void {
    const { msg } = received;
    if (msg?.type === 'echo_request') {
      this.#vconn.send({ type: 'echo_reply', data: msg.data }, msg.xid);
      return;
    }
    const time = this.#ctx.settings.timestamp ? `${timestamp(new Date())}: ` : '';
    this.#write(`${time}${this.#printer.message(received)}`);
    if (this.#resumes && msg?.type === 'packet_in' && msg.continuation) {
      const { userdata: _, ...paused } = msg;
      this.#sendShown({ ...paused, type: 'resume' });
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
    const lines: string[] = [];
    for (const text of messages) {
      const digits = text.replace(/\s/g, '');
      const bytes = /^([0-9a-fA-F]{2})*$/.test(digits) ? Buffer.from(digits, 'hex') : undefined;
      if (bytes === undefined) throw new UnixctlError('Trailing garbage in hex data');
      if (bytes.length < 8) throw new UnixctlError('Message too short for OpenFlow');
      // The length need not be given.
      bytes.writeUInt16BE(bytes.length, 2);
      this.#write(`send: ${this.#printer.raw(bytes)}`);
      this.#vconn.sendRaw(bytes);
      lines.push('sent');
    }
    return `${lines.join('\n')}\n`;
  }

  async #packetOut(line: string): Promise<string> {
    const body = { ...parsePacketOut(line).packetOut, type: 'packet_out' } as const;
    this.#sendShown(body);
    return 'sent\n';
  }

  #sendShown(body: OfpBody): void {
    const { version } = this.#vconn;
    const bytes = encodeMessage({ ...body, version, xid: 0 } as OfpMessage);
    this.#write(`send: ${this.#printer.raw(bytes)}`);
    this.#vconn.send(body);
  }

  #barrier(): Promise<string> {
    const xid = this.#vconn.send({ type: 'barrier_request' });
    return new Promise((resolve) => this.#barriers.set(xid, () => resolve('')));
  }

  #setOutput(file: string): string {
    const fd = openSync(file, 'w');
    if (this.#fd !== 2) closeSync(this.#fd);
    this.#fd = fd;
    return '';
  }

  #block(on: boolean): string {
    if (this.#blocked === on) throw new UnixctlError(on ? 'already blocking' : 'already unblocked');
    this.#blocked = on;
    if (!on) this.#unblock();
    return '';
  }
}
