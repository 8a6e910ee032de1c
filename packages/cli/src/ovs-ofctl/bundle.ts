/** Bundles: all messages or none (OpenFlow 1.4 section 6.8, ONF extension EXT-230 for 1.3). */
import {
  encodeMessage,
  OFPUTIL_P_OF13_UP,
  type OfpBody,
  type OfpMessage,
  type Protocols,
  type Received,
  type VconnClient,
} from '@heddle/openflow';
import { HeddleError } from '@heddle/runtime/errors';
import { printError } from '@heddle/runtime/stdio';
import { type Context, checkUsable, errorText } from './context.ts';
import { Printer } from './printer.ts';
import type { Settings } from './settings.ts';
import { nextXid, openTarget } from './target.ts';

const ATOMIC_ORDERED = 3;
/** Without `-O`, bundles speak OpenFlow 1.4. */
const OPENFLOW_14 = 1 << 5;

/** The settings for a bundle: versions that have them. */
export function bundleSettings(settings: Settings): Settings {
  return settings.versions === undefined ? { ...settings, versions: OPENFLOW_14 } : settings;
}

/** Returns the exit status. */
export async function sendBundle(
  ctx: Context,
  usable: Protocols,
  bodies: readonly OfpBody[],
): Promise<number> {
  const settings = bundleSettings(ctx.settings);
  checkUsable(settings, usable & OFPUTIL_P_OF13_UP);
  const vconn = await openTarget(settings, ctx.args[0]!, 'mgmt', usable & OFPUTIL_P_OF13_UP);
  const status = await transactBundle(ctx, vconn, bodies);
  vconn.close();
  return status;
}

export async function transactBundle(
  ctx: Context,
  vconn: VconnClient,
  bodies: readonly OfpBody[],
): Promise<number> {
  const { version } = vconn;
  const messages = bodies.map((body) => ({ ...body, version, xid: nextXid() }) as OfpMessage);
  const errors: Received[] = [];
  const control = { type: 'bundle_control', bundleId: 0, flags: ATOMIC_ORDERED } as const;
  const sent = new Map<number, OfpMessage>(messages.map((m) => [m.xid, m]));
  const ask = async (body: OfpBody): Promise<void> => {
    const xid = vconn.send(body);
    sent.set(xid, { ...body, version, xid } as OfpMessage);
    for (;;) {
      const received = await vconn.receive();
      if (received.msg?.type === 'error') errors.push(received);
      if (received.msg?.xid === xid) return;
    }
  };
  await ask({ ...control, control: 'open_request' });
  if (errors.length === 0) {
    for (const message of messages) {
      const add = {
        type: 'bundle_add_message',
        bundleId: 0,
        flags: ATOMIC_ORDERED,
        message,
      } as const;
      vconn.send(add, message.xid);
      await vconn.drain();
    }
    await ask({ type: 'barrier_request' });
    await ask({ ...control, control: errors.length === 0 ? 'commit_request' : 'discard_request' });
  }
  if (errors.length === 0) return 0;
  const printer = new Printer(ctx.settings, 2);
  for (const error of errors) {
    const of = sent.get(error.msg!.xid);
    const what = of ? printer.raw(encodeMessage(of)) : printer.message(error);
    printError(`Error ${errorText(error)} for: ${what}`);
  }
  throw new HeddleError(`talking to ${vconn.name} (Protocol error)`);
}
