/** Bundles: all messages or none (OpenFlow 1.4 section 6.8, ONF extension EXT-230 for 1.3). */
import {
  bundledBytes,
  encodeMessage,
  MessageLog,
  OFPUTIL_P_OF13_UP,
  type OfpBody,
  type OfpMessage,
  type OfpVersion,
  type Protocols,
  type Received,
  type VconnClient,
} from '@heddle/openflow';
import { HeddleError } from '@heddle/runtime/errors';
import { printError } from '@heddle/runtime/stdio';
import { badReply, type Context, checkUsable, errorText, xidOf } from './context.ts';
import { MessageBuffer } from './message-buffer.ts';
import { Printer } from './printer.ts';
import { nextXid, openTarget } from './target.ts';

const ATOMIC_ORDERED = 3;

/** The message that puts another one into the bundle. */
export function bundled(message: OfpBody, version: OfpVersion): OfpBody {
  return {
    type: 'bundle_add_message',
    bundleId: 0,
    flags: ATOMIC_ORDERED,
    message: Object.assign(message, { version, xid: 0 }) as OfpMessage,
  };
}

/** Returns the exit status. */
export function sendBundle(
  ctx: Context,
  usable: Protocols,
  bodies: readonly OfpBody[],
): Promise<number> {
  return sendBundleLog(ctx, usable, (version) => bundleLog(bodies, version));
}

/** `messages` has them for a version, their xids 0. */
export async function sendBundleLog(
  ctx: Context,
  usable: Protocols,
  messages: (version: OfpVersion) => MessageLog,
): Promise<number> {
  const { settings } = ctx;
  checkUsable(settings, usable & OFPUTIL_P_OF13_UP);
  const vconn = await openTarget(settings, ctx.args[0]!, 'mgmt', usable & OFPUTIL_P_OF13_UP);
  const status = await transactBundle(ctx, vconn, messages(vconn.version));
  vconn.close();
  return status;
}

export function bundleLog(bodies: Iterable<OfpBody>, version: OfpVersion): MessageLog {
  const log = new MessageLog();
  for (const body of bodies) {
    log.append({ ...bundled({ ...body }, version), version, xid: 0 } as OfpMessage);
  }
  return log;
}

/** Bytes that are sent at once. */
const PIECE = 1 << 16;

export async function transactBundle(
  ctx: Context,
  vconn: VconnClient,
  log: MessageLog,
): Promise<number> {
  const { version } = vconn;
  const xids = Array.from({ length: log.length }, nextXid);
  const errors: Received[] = [];
  const control = { type: 'bundle_control', bundleId: 0, flags: ATOMIC_ORDERED } as const;
  const asked = new Map<number, OfpMessage>();
  const ask = async (body: OfpBody): Promise<void> => {
    const xid = vconn.send(body);
    asked.set(xid, { ...body, version, xid } as OfpMessage);
    for (;;) {
      const received = await vconn.receive();
      if (received.msg?.type === 'error') errors.push(received);
      if (xidOf(received) !== xid) continue;
      if (received.msg === undefined) throw badReply(ctx, received);
      return;
    }
  };
  await ask({ ...control, control: 'open_request' });
  if (errors.length === 0) {
    const buffer = new MessageBuffer();
    let n = 0;
    for (const raw of log) {
      buffer.push(raw, xids[n++]!, raw.length - bundledBytes(raw).length);
      if (buffer.length < PIECE && n < log.length) continue;
      vconn.sendRaw(buffer.take());
      await vconn.drain();
    }
    await ask({ type: 'barrier_request' });
    await ask({ ...control, control: errors.length === 0 ? 'commit_request' : 'discard_request' });
  }
  if (errors.length === 0) return 0;
  const printer = new Printer(ctx.settings, 2);
  for (const error of errors) {
    const { xid } = error.msg!;
    const of = asked.get(xid);
    const bytes = of ? encodeMessage(of) : messageOf(log, xids, xid);
    const what = bytes ? printer.raw(bytes) : printer.message(error);
    printError(`Error ${errorText(error)} for: ${what}`);
  }
  throw new HeddleError(`talking to ${vconn.name} (Protocol error)`);
}

/** The message of the bundle that was sent with an xid. */
function messageOf(log: MessageLog, xids: readonly number[], xid: number): Uint8Array | undefined {
  const index = xids.indexOf(xid);
  let n = 0;
  for (const raw of log) {
    if (n++ !== index) continue;
    const buffer = new MessageBuffer();
    buffer.push(bundledBytes(raw), xid);
    return buffer.take();
  }
  return undefined;
}
