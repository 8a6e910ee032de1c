import type { Connection } from './connection.ts';
import type { CtEntry } from './format.ts';

/** A connection for people. */
export function entryOf(conn: Connection, nowMs: number): CtEntry {
  const { orig, reply, zone, mark, label, tcp, helper } = conn;
  return {
    orig,
    reply,
    zone,
    mark,
    label,
    timeout: Math.floor((conn.expiresMs - nowMs) / 1000),
    ...(tcp && {
      tcp: {
        orig: tcp[0].state,
        reply: tcp[1].state,
        wscale: [tcp[0].wscale, tcp[1].wscale],
      },
    }),
    ...(helper !== undefined && { helper }),
  };
}
