/** Interface rows as settings of BFD (ovs-vswitchd.conf.db(5), "BFD Configuration"). */
import { randomInt } from 'node:crypto';
import { parseIpv4, parseMac } from '@heddle/packet';
import { Bfd, type BfdSettings, type KeptBfd } from './bfd.ts';

const MIN_RX_MS = 1000;
const MIN_TX_MS = 100;
const MULT = 3;
const MAX_MULT = 255;
const DST_MAC = 0x002320000001;
export const DEFAULT_SRC_IP = 0xa9fe0101;
const DST_IP = 0xa9fe0100;
/** RFC 5881, 4: source ports of their own for sessions. */
const UDP_SRC_BASE = 49152;
const UDP_SRC_N = 16384;

/** undefined: it is not wanted. */
export function bfdSettings(config: ReadonlyMap<string, string>): BfdSettings | undefined {
  if (config.get('enable') !== 'true') return undefined;
  const integer = (key: string, fallback: number): number => {
    const text = config.get(key)?.trim() ?? '';
    return /^[+-]?\d+$/.test(text) ? Number(text) : fallback;
  };
  const isTrue = (key: string): boolean => config.get(key) === 'true';
  const mac = (key: string, fallback: number) => parseMac(config.get(key) ?? '') || fallback;
  const ip = (key: string, fallback: number) => parseIpv4(config.get(key) ?? '') || fallback;
  const minRxMs = Math.max(integer('min_rx', MIN_RX_MS), 1);
  const mult = integer('mult', MULT);
  const decayMs = integer('decay_min_rx', 0);
  return {
    minRxMs,
    minTxMs: Math.max(integer('min_tx', MIN_TX_MS), 1),
    decayMinRxMs: decayMs >= minRxMs ? decayMs : 0,
    forwardingIfRx: isTrue('forwarding_if_rx'),
    cpathDown: isTrue('cpath_down'),
    checkTnlKey: isTrue('check_tnl_key'),
    localSrcMac: mac('bfd_local_src_mac', 0),
    localDstMac: mac('bfd_local_dst_mac', DST_MAC),
    remoteDstMac: mac('bfd_remote_dst_mac', 0),
    srcIp: ip('bfd_src_ip', DEFAULT_SRC_IP),
    dstIp: ip('bfd_dst_ip', DST_IP),
    oam: isTrue('oam'),
    mult: mult >= 1 && mult <= MAX_MULT ? mult : MULT,
  };
}

let nSessions = 0;

/** A session with a discriminator of its own, or one that the last daemon had. */
export function newBfd(name: string, settings: BfdSettings, kept?: KeptBfd, nowMs = 0): Bfd {
  const bfd = new Bfd(name, settings, {
    disc: kept?.disc ?? randomInt(1, 2 ** 32),
    udpSrc: kept?.udpSrc ?? UDP_SRC_BASE + (nSessions++ % UDP_SRC_N),
    random: Math.random,
  });
  if (kept) bfd.resume(kept, nowMs);
  return bfd;
}
