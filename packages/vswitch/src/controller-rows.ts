/** Controller rows, and what is written back into them (ovs-vswitchd.conf.db(5), "Controller"). */
import type { Idl } from '@heddle/ovsdb';
import { absoluteIn, DSCP_DEFAULT, dirs, vlog } from '@heddle/runtime';
import type { Bridge } from './bridge.ts';
import type { ControllerConfig } from './connmgr/controller-config.ts';
import { DEFAULT_QUEUE_SIZE } from './connmgr/ofconn.ts';
import type { BridgeRow, Schema } from './port-config.ts';

const log = vlog.module('bridge');

const DEFAULT_PROBE_MS = 5000;
const DEFAULT_BACKOFF_MS = 8000;

const ROLES = { primary: 'master', secondary: 'slave', other: 'other' } as const;

export function controllersOf(idl: Idl<Schema>, row: BridgeRow): ControllerConfig[] {
  const queueSize = queueSizeOf(row.other_config.get('controller-queue-size'));
  return row.controller.flatMap((uuid) => {
    const c = idl.get('Controller', uuid);
    if (!c || c.target === 'none' || !isAllowed(c.target, row.name)) return [];
    return [
      {
        target: c.target,
        kind: c.type === 'service' || isPassive(c.target) ? 'service' : 'primary',
        maxBackoffMs: Math.max(c.max_backoff ?? DEFAULT_BACKOFF_MS, 1000),
        probeMs: c.inactivity_probe ?? DEFAULT_PROBE_MS,
        rateLimit: c.controller_rate_limit,
        burstLimit: c.controller_burst_limit,
        queueSize: c.controller_queue_size ?? queueSize,
        hearsEvents: c.enable_async_messages ?? true,
        dscp: dscpOf(c.other_config.get('dscp')),
      } as const,
    ];
  });
}

/** Who may write into the database must not reach any file or socket of the host by it. */
function isAllowed(target: string, bridge: string): boolean {
  const [, kind, path = ''] = /^(p?unix):(.*)$/s.exec(target) ?? [];
  if (kind === undefined) return true;
  const { rundir } = dirs;
  const isPassive = kind === 'punix';
  const start = isPassive ? `${rundir}/${bridge}.` : `${rundir}/`;
  const file = absoluteIn(rundir, path);
  const rest = file.slice(start.length);
  const stays = isPassive ? !rest.includes('/') : !rest.split('/').includes('..');
  if (file.startsWith(start) && stays) return true;
  const always = `connect to "unix:${rundir}/${bridge}.mgmt" (which is always available without special configuration).`;
  log.rl.err(
    isPassive
      ? `bridge ${bridge}: Not adding Unix domain socket controller "${target}" due to possibility of overwriting local files. Instead, specify path in permitted format "punix:${start}*" or ${always}`
      : `bridge ${bridge}: Not connecting to socket controller "${target}" due to possibility for remote exploit.  Instead, specify socket in permitted directory "unix:${start}" or ${always}`,
    target,
  );
  return false;
}

function queueSizeOf(text: string | undefined): number {
  const size = Number(text ?? DEFAULT_QUEUE_SIZE);
  return Number.isInteger(size) && size >= 1 && size <= 512 ? size : DEFAULT_QUEUE_SIZE;
}

function dscpOf(text: string | undefined): number {
  const dscp = Number(text ?? DSCP_DEFAULT);
  return Number.isInteger(dscp) && dscp >= 0 && dscp <= 63 ? dscp : DSCP_DEFAULT;
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
    put('last_error', status.lastError);
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
