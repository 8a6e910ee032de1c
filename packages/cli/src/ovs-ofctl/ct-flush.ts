/** ct-flush: which connections, by zone and by the tuples of their two directions. */
import { type CtTuple, type OfpBody, parseCtTuple } from '@heddle/openflow';
import { HeddleError } from '@heddle/runtime/errors';
import { type Context, open, transactNoReply } from './context.ts';

export async function ctFlush(ctx: Context): Promise<number> {
  let args = ctx.args.slice(1);
  let zone: number | undefined;
  const [first] = args;
  if (first?.startsWith('zone=')) {
    const text = first.slice('zone='.length);
    zone = /^(0x[0-9a-f]+|\d+)$/i.test(text) ? Number(text) : -1;
    if (zone < 0 || zone > 0xffff) throw new HeddleError('Failed to parse zone');
    args = args.slice(1);
  }
  const original = parseTuple(args[0] ?? '');
  const reply = parseTuple(args[1] ?? '');
  for (const { proto = 0, srcPort = 0, dstPort = 0 } of [original, reply]) {
    if (proto === 0 && (srcPort | dstPort) !== 0) throw bad('port is set without protocol');
  }
  const { family = 0 } = original;
  if (family !== 0 && (reply.family ?? 0) !== 0 && family !== reply.family) {
    throw bad(`the L3 protocol does not match ${args[1]!.replace(/^.*=/, '')}`);
  }
  const request: OfpBody = {
    type: 'ct_flush',
    original,
    reply,
    ...(zone !== undefined && { zone }),
  };
  const vconn = await open(ctx);
  const ok = await transactNoReply(ctx, vconn, [request]);
  vconn.close();
  return ok ? 0 : 1;
}

function bad(why: string): HeddleError {
  return new HeddleError(`Failed to parse ct-tuple: ${why}`);
}

function parseTuple(text: string): CtTuple {
  try {
    return parseCtTuple(text);
  } catch (error) {
    if (error instanceof HeddleError) throw bad(error.message);
    throw error;
  }
}
