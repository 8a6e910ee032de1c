/** The table that maps Geneve options to tun_metadata fields. */
import { OFPUTIL_P_ANY_OXM, OFPUTIL_P_OF10_NXM_ANY, parseTlvMap } from '@heddle/openflow';
import type { TlvMapping } from '@heddle/packet';
import { type Context, dumpOnce, openForMod, transactNoReply } from './context.ts';

export const addTlvMap = (ctx: Context): Promise<number> =>
  change(ctx, 'add', parseTlvMap(ctx.args[1]!));

export const delTlvMap = (ctx: Context): Promise<number> =>
  ctx.args[1] === undefined
    ? change(ctx, 'clear', [])
    : change(ctx, 'delete', parseTlvMap(ctx.args[1]));

export const dumpTlvMap = (ctx: Context): Promise<number> =>
  dumpOnce(ctx, { type: 'tlv_table_request' });

async function change(
  ctx: Context,
  command: 'add' | 'delete' | 'clear',
  mappings: readonly TlvMapping[],
): Promise<number> {
  const { vconn } = await openForMod(ctx, OFPUTIL_P_OF10_NXM_ANY | OFPUTIL_P_ANY_OXM);
  const ok = await transactNoReply(ctx, vconn, [{ type: 'tlv_table_mod', command, mappings }]);
  vconn.close();
  return ok ? 0 : 1;
}
