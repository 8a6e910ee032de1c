/** Bridge and Port rows as settings (ovs-vswitchd.conf.db(5), "Multicast Snooping Configuration"). */
import type { Bundle, Ofproto } from '../ofproto.ts';
import type { BridgeRow, PortRow } from '../port-config.ts';
import {
  MCAST_DEFAULT_IDLE_MS,
  MCAST_DEFAULT_MAX,
  McastSnooping,
  type McastSnoopingEnv,
  type McastSnoopingSettings,
} from './mcast-snooping.ts';

const MAX_ENTRIES = 1_000_000;

/** Whether packets are treated otherwise than before. */
export function configureSnooping(
  ofproto: Ofproto,
  row: BridgeRow,
  env: Pick<McastSnoopingEnv<Bundle>, 'nowMs' | 'changed'>,
): boolean {
  const { snooping } = ofproto;
  if (!row.mcast_snooping_enable) {
    ofproto.snooping = undefined;
    return snooping !== undefined;
  }
  const settings = snoopingSettings(row.other_config);
  if (snooping) snooping.configure(settings);
  else {
    const isFlooded = (bundle: Bundle) => bundle.mcastFlooding.data;
    ofproto.snooping = new McastSnooping<Bundle>(settings, { ...env, isFlooded });
  }
  return snooping === undefined;
}

function snoopingSettings(config: ReadonlyMap<string, string>): McastSnoopingSettings {
  const integer = (key: string, fallback: number, min: number, max: number) => {
    const n = Number.parseInt(config.get(key) ?? '', 10);
    return Number.isInteger(n) && n >= 1 ? Math.min(Math.max(n, min), max) : fallback;
  };
  const idle = integer('mcast-snooping-aging-time', MCAST_DEFAULT_IDLE_MS / 1000, 15, 3600);
  return {
    max: integer('mcast-snooping-table-size', MCAST_DEFAULT_MAX, 10, MAX_ENTRIES),
    idleMs: idle * 1000,
    floodsUnregistered: config.get('mcast-snooping-disable-flood-unregistered') !== 'true',
  };
}

/** What a port gets whoever listens to what. */
export interface McastFlooding {
  readonly data: boolean;
  readonly reports: boolean;
}

export function floodingOf({ other_config: config }: PortRow): McastFlooding {
  return {
    data: config.get('mcast-snooping-flood') === 'true',
    reports: config.get('mcast-snooping-flood-reports') === 'true',
  };
}
