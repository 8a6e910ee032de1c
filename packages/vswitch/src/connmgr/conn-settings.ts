/** What a Controller row says of its connections (ovs-vswitchd.conf.db(5), "Controller"). */
import type { Clock } from '@heddle/runtime';
import type { ControllerConfig } from './controller-config.ts';
import { type OfConn, SILENT } from './ofconn.ts';
import { PacketInScheduler } from './pinsched.ts';

/** `before`: what was in force; undefined for a new connection. */
export function configureConn(
  conn: OfConn,
  clock: Clock,
  config: ControllerConfig,
  before?: ControllerConfig,
): void {
  conn.packetIns.limit = config.queueSize;
  if (!before && !config.hearsEvents) conn.async = SILENT;
  const { rateLimit, burstLimit } = config;
  if (before && rateLimit === before.rateLimit && burstLimit === before.burstLimit) return;
  stopLimits(conn);
  if (rateLimit === undefined) return;
  const scheduler = () => new PacketInScheduler(clock, rateLimit, burstLimit);
  conn.limits = { miss: scheduler(), action: scheduler() };
}

export function stopLimits(conn: OfConn): void {
  conn.limits?.miss.stop();
  conn.limits?.action.stop();
  conn.limits = undefined;
}
