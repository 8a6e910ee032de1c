/** What a command works with, and the steps that most commands share. */
import {
  encodeMessage,
  errorName,
  formatProtocols,
  MessageLog,
  OFPUTIL_P_OF10_NXM_ANY,
  OFPUTIL_P_OF10_NXM_TID,
  OFPUTIL_P_OF10_STD_TID,
  type OfpBody,
  type OfpMessage,
  PROTOCOL_ORDER,
  type Protocols,
  protocolVersion,
  type Received,
  type VconnClient,
  VconnError,
  versionProtocols,
} from '@heddle/openflow';
import type { Daemon } from '@heddle/runtime/daemon';
import { HeddleError } from '@heddle/runtime/errors';
import { print, printError } from '@heddle/runtime/stdio';
import { MessageBuffer } from './message-buffer.ts';
import { Printer } from './printer.ts';
import type { Settings } from './settings.ts';
import { allowedProtocols, nextXid, openTarget } from './target.ts';

export interface Context {
  readonly settings: Settings;
  readonly args: readonly string[];
  /** Becomes a daemon when the options ask for one. */
  daemonize(): Promise<Daemon>;
}

export function open(ctx: Context, target = ctx.args[0]!): Promise<VconnClient> {
  return openTarget(ctx.settings, target);
}

/**
 * Sends a request and prints all that replies to it. As upstream's, names are asked for once there is
 * something to print, and not for what says nothing of ports by number alone.
 */
export async function dump(ctx: Context, vconn: VconnClient, body: OfpBody): Promise<void> {
  const { settings } = ctx;
  const isNameless = body.type === 'features_request' || body.type === 'get_config_request';
  const isSingle = body.type === 'queue_get_config_request' && vconn.version < 5;
  const isMultipart = !isNameless && !isSingle;
  const parts = isMultipart ? vconn.multipart(body) : [await vconn.transact(body)];
  let printer = isNameless ? new Printer(settings, 1) : undefined;
  try {
    for await (const part of parts) {
      printer ??= await Printer.of(settings, ctx.args[0]!);
      const text = printer.message(part);
      print(text);
      // Told by the text: to be printed most parts need not be decoded.
      if (isMultipart && text.startsWith('***decode error')) throw badReply(ctx, part);
    }
  } catch (error) {
    if (!(error instanceof VconnError)) throw error;
    throw new HeddleError(`OpenFlow packet receive failed (${error.message})`);
  }
}

/** Opens the target, asks once and prints the reply. */
export async function dumpOnce(ctx: Context, body: OfpBody): Promise<number> {
  const vconn = await open(ctx);
  await dump(ctx, vconn, body);
  vconn.close();
  return 0;
}

/** A barrier is behind each that many requests, and two such are on their way; upstream waits for each. */
const BATCH = 64;

/**
 * Sends requests that are answered by errors only. After the first error no more are sent; returns
 * whether there was none.
 */
export async function transactNoReply(
  ctx: Context,
  vconn: VconnClient,
  bodies: Iterable<OfpBody>,
): Promise<boolean> {
  const { version } = vconn;
  const log = new MessageLog();
  for (const body of bodies) log.append({ ...body, version, xid: 0 } as OfpMessage);
  return transactLog(ctx, vconn, log);
}

/** As `transactNoReply`, with messages that lack xids. */
export async function transactLog(
  ctx: Context,
  vconn: VconnClient,
  log: MessageLog,
): Promise<boolean> {
  let pending = 0;
  let first = Infinity;
  let last = 0;
  const settle = async (limit: number): Promise<Received | undefined> => {
    while (pending > limit) {
      const received = await receiveFrom(vconn);
      if (received.msg?.type === 'error') return received;
      if (received.msg?.type === 'barrier_reply') pending--;
      else if (isWithin(received, first, last)) throw badReply(ctx, received);
    }
    return undefined;
  };
  const batch = new MessageBuffer();
  let n = 0;
  for (const raw of log) {
    last = nextXid();
    first = Math.min(first, last);
    batch.push(raw, last);
    // As upstream counts, which has a barrier behind each.
    const xid = nextXid();
    if (++n % BATCH !== 0 && n !== log.length) continue;
    batch.push(encodeMessage({ type: 'barrier_request', version: vconn.version, xid }), xid);
    vconn.sendRaw(batch.take());
    pending++;
    last = xid;
    const error = await settle(n === log.length ? 0 : 1);
    if (error) return complain(ctx, error);
  }
  return true;
}

async function receiveFrom(vconn: VconnClient): Promise<Received> {
  try {
    return await vconn.receive();
  } catch (error) {
    if (!(error instanceof VconnError)) throw error;
    throw new HeddleError(`talking to ${vconn.name} (${error.message})`);
  }
}

export function xidOf({ raw }: Received): number {
  return new DataView(raw.buffer, raw.byteOffset).getUint32(4);
}

/** Whether it answers a request that has one of these xids. */
function isWithin(received: Received, first: number, last: number): boolean {
  const xid = xidOf(received);
  return xid >= first && xid <= last;
}

export function badReply(ctx: Context, received: Received): HeddleError {
  return new HeddleError(`received bad reply: ${new Printer(ctx.settings, 2).message(received)}`);
}

/** Says what the switch has refused, with the request that it quotes. Returns false. */
export function complain(ctx: Context, error: Received): false {
  printError(new Printer(ctx.settings, 2).message(error));
  return false;
}

export function errorText({ msg }: Received): string {
  if (msg?.type !== 'error') return '';
  const { version, vendor, errorType, code } = msg;
  return errorName(version, vendor, errorType, code) ?? `type ${errorType}, code ${code}`;
}

/** Opens a connection that can carry one of the formats, and agrees with the switch on which. */
export async function openForMod(
  ctx: Context,
  usable: Protocols,
): Promise<{ vconn: VconnClient; protocol: Protocols }> {
  const { settings } = ctx;
  const allowed = allowedProtocols(settings);
  checkUsable(settings, usable);
  const vconn = await openTarget(settings, ctx.args[0]!, 'mgmt', usable & allowed);
  const ours = versionProtocols(vconn.version) & usable & allowed;
  for (const protocol of PROTOCOL_ORDER) {
    if ((protocol & ours) !== 0 && (await tryProtocol(vconn, protocol))) return { vconn, protocol };
  }
  throw new HeddleError(
    `switch does not support any of the usable flow formats (${formatProtocols(usable)})`,
  );
}

export function checkUsable(settings: Settings, usable: Protocols): void {
  const allowed = allowedProtocols(settings);
  if ((usable & allowed) !== 0) return;
  throw new HeddleError(
    `none of the usable flow formats (${formatProtocols(usable)}) is among the allowed flow formats (${formatProtocols(allowed)})`,
  );
}

/** OpenFlow 1.0's extensions are switched on one by one; other versions have one format. */
export async function tryProtocol(vconn: VconnClient, protocol: Protocols): Promise<boolean> {
  if (protocolVersion(protocol) !== 1) return true;
  if ((protocol & OFPUTIL_P_OF10_NXM_ANY) !== 0) {
    vconn.send({ type: 'set_flow_format', format: 'NXM' });
    if ((await vconn.barrier()).length > 0) return false;
  }
  if ((protocol & (OFPUTIL_P_OF10_STD_TID | OFPUTIL_P_OF10_NXM_TID)) !== 0) {
    vconn.send({ type: 'flow_mod_table_id', enabled: true });
    if ((await vconn.barrier()).length > 0) return false;
  }
  return true;
}
