/** Controller rows, and what is written back into them (ovs-vswitchd.conf.db(5), "Controller"). */
import type { Idl } from '@heddle/ovsdb';
import type { Bridge } from './bridge.ts';
import type { ControllerConfig } from './connmgr/connections.ts';
import type { BridgeRow, Schema } from './port-config.ts';

const DEFAULT_PROBE_MS = 5000;
const DEFAULT_BACKOFF_MS = 8000;

const ROLES = { primary: 'master', secondary: 'slave', other: 'other' } as const;

export function controllersOf(idl: Idl<Schema>, row: BridgeRow): ControllerConfig[] {
  return row.controller.flatMap((uuid) => {
    const c = idl.get('Controller', uuid);
    if (!c || c.target === 'none') return [];
    return [
      {
        target: c.target,
        kind: c.type === 'service' || isPassive(c.target) ? 'service' : 'primary',
        maxBackoffMs: Math.max(c.max_backoff ?? DEFAULT_BACKOFF_MS, 1000),
        probeMs: c.inactivity_probe ?? DEFAULT_PROBE_MS,
        rateLimit: c.controller_rate_limit,
        burstLimit: c.controller_burst_limit,
      } as const,
    ];
  });
}

function isPassive(target: string): boolean {
  return /^p(unix|tcp|ssl):/.test(target);
}

export function controllerStatus(
  txn: ReturnType<Idl<Schema>['txn']>,
  idl: Idl<Schema>,
  { row, connections }: Bridge,
): void {
  for (const uuid of row.controller) {
    const c = idl.get('Controller', uuid);
    const status = c && connections.status(c.target);
    if (!c || !status) continue;
    const map = new Map<string, string>([['state', status.state]]);
    const put = (key: string, value: number | string | undefined): void => {
      if (value !== undefined) map.set(key, String(value));
    };
    put('last_error', status.isConnected ? undefined : status.lastError);
    put('sec_since_connect', status.secSinceConnect);
    put('sec_since_disconnect', status.secSinceDisconnect);
    for (const type of ['miss', 'action'] as const) {
      const limit = status.limits?.[type];
      if (!limit) continue;
      for (const [key, n] of Object.entries({ ...limit.stats, backlog: limit.backlog })) {
        put(`packet-in-${type}-${key}`, n);
      }
    }
    txn.update('Controller', uuid, {
      is_connected: status.isConnected,
      role: status.isConnected ? ROLES[status.role] : undefined,
      status: map,
    });
  }
}
