/** probe, ping, benchmark: how a peer answers echo requests. */
import { randomBytes } from 'node:crypto';
import type { VconnClient } from '@heddle/openflow';
import { HeddleError } from '@heddle/runtime/errors';
import { print } from '@heddle/runtime/stdio';
import { type Context, open } from './context.ts';

const PINGS = 10;
const DEFAULT_PING_BYTES = 64;
/** 64 kB less the header. */
const MAX_PAYLOAD = 65535 - 8;

export async function probe(ctx: Context): Promise<number> {
  const vconn = await open(ctx);
  vconn.send({ type: 'echo_request', data: new Uint8Array() }, 0);
  const { raw } = await vconn.receiveReply(0);
  if (raw.length !== 8) throw new HeddleError('reply does not match request');
  vconn.close();
  return 0;
}

export async function ping(ctx: Context): Promise<number> {
  const [target = '', text] = ctx.args;
  const bytes = text === undefined ? DEFAULT_PING_BYTES : Number.parseInt(text, 10) || 0;
  if (bytes > MAX_PAYLOAD)
    throw new HeddleError(`payload must be between 0 and ${MAX_PAYLOAD} bytes`);
  const vconn = await open(ctx);
  for (let i = 0; i < PINGS; i++) {
    const start = performance.now();
    const { xid, data, isSame } = await echo(vconn, bytes);
    if (!isSame) print('Reply does not match request:\n');
    const time = (performance.now() - start).toFixed(1);
    const id = xid.toString(16).padStart(8, '0');
    print(`${data.length} bytes from ${target}: xid=${id} time=${time} ms\n`);
  }
  vconn.close();
  return 0;
}

async function echo(
  vconn: VconnClient,
  bytes: number,
): Promise<{ xid: number; data: Uint8Array; isSame: boolean }> {
  const data = new Uint8Array(randomBytes(bytes));
  const { msg } = await vconn.transact({ type: 'echo_request', data });
  if (msg?.type !== 'echo_reply') throw new HeddleError('reply does not match request');
  return { xid: msg.xid, data: msg.data, isSame: Buffer.compare(data, msg.data) === 0 };
}

export async function benchmark(ctx: Context): Promise<number> {
  const [, bytesText = '', countText = ''] = ctx.args;
  const bytes = Number.parseInt(bytesText, 10) || 0;
  const count = Number.parseInt(countText, 10) || 0;
  const size = bytes + 8;
  if (size > 65535) throw new HeddleError(`payload must be between 0 and ${MAX_PAYLOAD} bytes`);
  const vconn = await open(ctx);
  const total = size * count;
  print(`Sending ${count} packets * ${size} bytes (with header) = ${total} bytes total\n`);
  const data = new Uint8Array(bytes);
  const start = performance.now();
  for (let i = 0; i < count; i++) await vconn.transact({ type: 'echo_request', data });
  const ms = performance.now() - start;
  vconn.close();
  const rate = (n: number) => Math.floor((n / ms) * 1000);
  return print(
    `Finished in ${ms.toFixed(1)} ms (${rate(count)} packets/s) (${rate(total)} bytes/s)\n`,
  );
}
