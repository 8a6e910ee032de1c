/** Bundles: messages that take effect together or not at all (OpenFlow 1.5, 7.3.9). */
import type { MessageLog, OfpMessageType } from '@heddle/openflow';
import type { Timer } from '@heddle/runtime';
import type { Connmgr } from './connmgr.ts';
import type { OfConn } from './ofconn.ts';
import type { StagedAdds } from './staged-adds.ts';

export interface Bundle {
  readonly id: number;
  readonly flags: number;
  isClosed: boolean;
  readonly messages: MessageLog;
  /** One for each message. */
  readonly staged: StagedAdds;
  /** Which there are among the messages. */
  readonly types: Set<OfpMessageType>;
  /** When it was opened, filled or closed last. */
  usedMs: number;
  timer: Timer | undefined;
}

export const MAX_BUNDLES = 1024;
/** Of the bundles of all connections of a bridge together. */
export const MAX_BUNDLE_BYTES = 512 * 1024 * 1024;

export function bundleBytes({ conns }: Connmgr): number {
  let bytes = 0;
  for (const conn of conns)
    for (const { messages } of conn.bundles.values()) bytes += messages.bytes;
  return bytes;
}

export function dropBundle(conn: OfConn, bundle: Bundle): void {
  bundle.timer?.cancel();
  conn.bundles.delete(bundle.id);
}

/**
 * Drops it when nobody has touched it for a while (ovs-vswitchd.conf.db(5), "bundle-idle-timeout");
 * the error quotes `raw`, which has opened it.
 */
export function expireBundle(mgr: Connmgr, conn: OfConn, bundle: Bundle, raw: Uint8Array): void {
  const { clock } = mgr.env;
  const waitMs = bundle.usedMs + mgr.bundleIdleMs - clock.nowMs();
  if (waitMs > 0) {
    bundle.timer = clock.after(waitMs, () => expireBundle(mgr, conn, bundle, raw));
    return;
  }
  dropBundle(conn, bundle);
  mgr.sendError(conn, 'OFPBFC_TIMEOUT', raw);
}
