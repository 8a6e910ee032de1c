/** Tunnel ports of random kinds, and headers that packets come by them with. */
import type { Random } from '@heddle/datapath/oracle/random-frame';
import {
  FLOW_TNL_F_CRIT,
  FLOW_TNL_F_CSUM,
  FLOW_TNL_F_DONT_FRAGMENT,
  FLOW_TNL_F_KEY,
  FLOW_TNL_F_OAM,
  FLOW_TNL_F_SEQ,
  type Flow,
  parseIpv6,
  putErspan,
  type TlvTable,
} from '@heddle/packet';
import type { OfPort } from '../ofproto.ts';
import { parseTunnelOptions, type TunnelConfig, type TunnelType } from '../tunnel/config.ts';

const TYPES: readonly TunnelType[] = ['geneve', 'geneve', 'vxlan', 'gre', 'erspan'];
const FLAGS = [FLOW_TNL_F_CRIT, FLOW_TNL_F_CSUM, FLOW_TNL_F_DONT_FRAGMENT, FLOW_TNL_F_KEY];
const MORE_FLAGS = [FLOW_TNL_F_OAM, FLOW_TNL_F_SEQ];

/** What tells tunnels apart that share a port of the datapath. */
export interface TunnelEnds {
  readonly type: TunnelType;
  readonly in_key: string;
  readonly remote_ip: string;
}

/** Makes a tunnel of a port. */
export function tunnelRandomly(r: Random, port: OfPort, ends?: TunnelEnds): TunnelConfig {
  const type = ends?.type ?? r.pick(TYPES);
  const options: Record<string, string> = {
    remote_ip: ends?.remote_ip ?? r.pick(['flow', 'flow', '10.0.0.9', 'fc00::9']),
    in_key: ends?.in_key ?? r.pick(['flow', 'flow', '5']),
    ttl: r.pick(['inherit', '7']),
    tos: r.pick(['inherit', '0', '32']),
    df_default: r.pick(['true', 'false']),
  };
  const maybe = (name: string, ...values: string[]): void => {
    if (r.chance(50)) options[name] = r.pick(values);
  };
  maybe('out_key', 'flow', 'flow', '6');
  if (options['remote_ip'] === 'flow' && !ends) maybe('local_ip', 'flow');
  if (r.chance(20)) options['egress_pkt_mark'] = '3';
  if (type !== 'erspan') maybe('csum', 'true');
  if (type === 'vxlan') maybe('exts', 'gbp');
  if (type === 'gre') {
    maybe('seq', 'true');
    if (r.chance(20)) options['packet_type'] = 'legacy_l3';
  }
  if (type === 'erspan') {
    maybe('erspan_ver', 'flow', '1', '2');
    maybe('erspan_idx', 'flow', '7');
    maybe('erspan_dir', 'flow', '1');
    maybe('erspan_hwid', 'flow', '5');
  }
  const { config, errors } = parseTunnelOptions(port.name, type, new Map(Object.entries(options)));
  if (!config) throw new Error(errors.join());
  port.tunnel = config;
  return config;
}

/** Gives a packet what one by such a tunnel has; what the text of a flow had of it may stay. */
export function arriveByTunnel(r: Random, flow: Flow, tlv: TlvTable, config: TunnelConfig): void {
  const isV6 = r.chance(30);
  if (isV6) {
    flow.tunIpv6Src = parseIpv6(r.pick(['fc00::9', 'fc00::8']))!;
    flow.tunIpv6Dst = parseIpv6(r.pick(['fc00::1', 'fc00::9']))!;
  } else flow.tunDst ||= r.pick([0x0a000009, 0x0a000008]);
  keepFamily(flow, isV6);
  flow.tunId = BigInt(r.pick([0, 1, 5, 6]));
  flow.tunTtl = r.below(3);
  flow.tunTpSrc = r.below(3);
  flow.tunTos = r.pick([0, 3, 32]);
  flow.tunFlags = [...FLAGS, ...MORE_FLAGS].reduce((all, f) => (r.chance(40) ? all | f : all), 0);
  if (!config.gbp) {
    flow.tunGbpId = 0;
    flow.tunGbpFlags = 0;
  }
  if (config.type === 'erspan') {
    const ver = 1 + r.below(2);
    const v1 = { ver, idx: r.pick([1, 5, 7]), dir: 0, hwid: 0 };
    putErspan(flow, ver === 1 ? v1 : { ver, idx: 0, dir: r.below(2), hwid: r.pick([0, 3, 5]) });
  } else if (config.type === 'geneve') {
    const options = tlv.writeOptions(flow).subarray(0, flow.tunOpts.length);
    flow.tunOptsLen = options.length;
    flow.tunOpts.set(options);
  }
}

/** Takes the tunnel's addresses of the other family away. */
export function keepFamily(flow: Flow, v6: boolean): void {
  if (v6) {
    flow.tunSrc = 0;
    flow.tunDst = 0;
  } else {
    flow.tunIpv6Src.fill(0);
    flow.tunIpv6Dst.fill(0);
  }
}
