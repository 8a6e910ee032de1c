/** The way to the server, or to the one that leads its cluster. */
import { RpcConnection, type RpcHandlers } from '@heddle/ovsdb/idl/rpc';
import { isLeader, reasonOf } from '../ovsdb-client/context.ts';
import { afterBootstrap, checkTls } from '../tls/options.ts';
import { VsctlError } from './errors.ts';
import type { Settings } from './options.ts';

const RETRY_MS = 1000;
const PROBE_MS = 5000;
const CONNECT_MS = 5000;
const DATABASE = 'Open_vSwitch';
const LEADERSHIP = 'leadership';

/** With `--retry`, or while a cluster has no leader, tries on for ever. */
export async function connect(settings: Settings, handlers: RpcHandlers): Promise<RpcConnection> {
  const remotes = remotesOf(settings);
  if (settings.shuffle) shuffle(remotes);
  for (;;) {
    let failure: unknown;
    let reached = false;
    for (const remote of remotes) {
      checkTls(remote, settings.tls);
      try {
        const leaderOnly = remotes.length > 1 && settings.leaderOnly;
        const rpc = await afterBootstrap(settings.tls, () =>
          open(remote, settings, handlers, leaderOnly),
        );
        reached = true;
        if (!leaderOnly || (await isLeader(rpc, DATABASE))) return rpc;
        rpc.close();
      } catch (error) {
        failure = error;
      }
    }
    if (!settings.retry && !reached) {
      throw new VsctlError(`${settings.db}: database connection failed (${reasonOf(failure)})`);
    }
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
  }
}

/** Whether another server can do what one leaves undone. */
export function isCluster(settings: Settings): boolean {
  return remotesOf(settings).length > 1;
}

function remotesOf({ db }: Settings): string[] {
  return db.split(/,(?=p?(?:tcp|ssl|unix):)/);
}

/** A connection that ends when the server ceases to lead, if that is asked for. */
async function open(
  remote: string,
  { tls }: Settings,
  handlers: RpcHandlers,
  leaderOnly: boolean,
): Promise<RpcConnection> {
  if (!leaderOnly) return RpcConnection.open(remote, { ...handlers, tls });
  const rpc = await RpcConnection.open(remote, {
    ...handlers,
    tls,
    probeIntervalMs: PROBE_MS,
    connectTimeoutMs: CONNECT_MS,
    notified: (method, params) => {
      if (params[0] !== LEADERSHIP) handlers.notified?.(method, params);
      else
        void isLeader(rpc, DATABASE).then(
          (leads) => leads || rpc.close(),
          () => {},
        );
    },
  });
  // Servers that know no _Server know no clusters either.
  await rpc
    .request('monitor', [
      '_Server',
      LEADERSHIP,
      { Database: [{ columns: ['leader', 'connected'] }] },
    ])
    .catch(() => {});
  return rpc;
}

function shuffle(remotes: string[]): void {
  for (let i = remotes.length - 1; i > 0; i--) {
    const j = Math.floor(Math.random() * (i + 1));
    [remotes[i], remotes[j]] = [remotes[j]!, remotes[i]!];
  }
}
