/** The address that a controller's row gives the local port (ovs-vswitchd.conf.db(5)). */
import type { Rtnl } from '@heddle/linux';
import type { IdlRow } from '@heddle/ovsdb';
import { parseIpv4 } from '@heddle/packet';
import type { Schema } from '../port-config.ts';

const AF_INET = 2;

export interface LocalAddress {
  /** `192.168.0.123` */
  readonly address: string;
  readonly prefix: number;
  readonly gateway: string | undefined;
}

export function localAddressOf(row: IdlRow<Schema, 'Controller'>): LocalAddress | undefined {
  const { local_ip: address = '', local_netmask: netmask, local_gateway: gateway = '' } = row;
  const number = parseIpv4(address);
  if (number === undefined) return undefined;
  const prefix = (netmask === undefined ? undefined : lengthOf(netmask)) ?? classLength(number);
  const isGateway = parseIpv4(gateway) !== undefined;
  return { address, prefix, gateway: isGateway ? gateway : undefined };
}

/** Of a netmask; undefined when it is none. */
function lengthOf(netmask: string): number | undefined {
  const mask = parseIpv4(netmask);
  if (mask === undefined) return undefined;
  const length = Math.clz32(~mask);
  return mask >>> 0 === (length === 0 ? 0 : (-1 << (32 - length)) >>> 0) ? length : undefined;
}

/** Of class A, B or C. */
function classLength(address: number): number {
  const first = address >>> 24;
  if (first < 128) return 8;
  return first < 192 ? 16 : 24;
}

/** Gives it to the device, in the place of `before`. Throws NetlinkError. */
export function setLocalAddress(
  rtnl: Rtnl,
  device: string,
  local: LocalAddress,
  before: LocalAddress | undefined,
): void {
  const link = rtnl.link(device);
  if (!link) return;
  const addresses = rtnl.addresses(link.index).filter((a) => a.family === AF_INET);
  const has = (l: LocalAddress) =>
    addresses.some((a) => a.address === l.address && a.prefix === l.prefix);
  if (before && !isSame(before, local) && has(before)) {
    rtnl.deleteAddress(link.index, `${before.address}/${before.prefix}`);
  }
  if (!has(local)) rtnl.addAddress(link.index, `${local.address}/${local.prefix}`);
  rtnl.setLink(device, { up: true });
  if (local.gateway) rtnl.replaceRoute({ gateway: local.gateway, ifindex: link.index });
}

export function isSame(a: LocalAddress | undefined, b: LocalAddress | undefined): boolean {
  return a?.address === b?.address && a?.prefix === b?.prefix && a?.gateway === b?.gateway;
}
