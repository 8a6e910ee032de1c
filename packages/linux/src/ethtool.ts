/** ethtool by ioctl (linux/ethtool.h), in the calling thread's namespace. */
import { addressOf, check, errnoName } from './native.ts';
import { type Fd, ioctl, SOCK_DGRAM, socket } from './socket.ts';
import { ifreq } from './tap.ts';

const SIOCETHTOOL = 0x8946;
const AF_UNIX = 1;
const GDRVINFO = 0x3;
const GLINK = 0xa;
const GPERMADDR = 0x20;
const GLINKSETTINGS = 0x4c;
/** Where the link modes begin in struct ethtool_link_settings. */
const MODES = 48;
const SPEED_UNKNOWN = 0xffff_ffff;
/** Offloads by ethtool(8)'s legacy names: [get, set]. */
const FEATURES = {
  rxChecksum: [0x14, 0x15],
  txChecksum: [0x16, 0x17],
  scatterGather: [0x18, 0x19],
  tso: [0x1e, 0x1f],
  gso: [0x23, 0x24],
  gro: [0x2b, 0x2c],
} as const;
const GFLAGS = 0x25;
const SFLAGS = 0x26;
const FLAG_TXVLAN = 1 << 7;
const FLAG_RXVLAN = 1 << 8;

export type Feature = keyof typeof FEATURES | 'txVlan' | 'rxVlan';

export interface LinkSettings {
  /** Mbit/s; undefined when unknown. */
  readonly speed: number | undefined;
  readonly duplex: 'half' | 'full' | undefined;
  readonly autoneg: boolean;
  /** PORT_*: 0 twisted pair, 3 fibre. */
  readonly port: number;
  /** The first 32 link modes (ETHTOOL_LINK_MODE_*) that it has, offers and is offered. */
  readonly supported: number;
  readonly advertised: number;
  readonly peer: number;
}

export class Ethtool implements Disposable {
  readonly #socket: Fd = socket(AF_UNIX, SOCK_DGRAM, 0);

  /** Undefined when the device has no such notion (EOPNOTSUPP). */
  linkSettings(name: string): LinkSettings | undefined {
    // The first call asks how many mask words the kernel has, as a negative number.
    const settings = Buffer.alloc(MODES + 3 * 4 * 127);
    if (!this.#tryCall(name, GLINKSETTINGS, settings)) return undefined;
    const words = -settings.readInt8(15);
    if (words > 0) {
      settings.writeInt8(words, 15);
      if (!this.#tryCall(name, GLINKSETTINGS, settings)) return undefined;
    }
    const speed = settings.readUInt32LE(4);
    const duplex = settings.readUInt8(8);
    return {
      speed: speed === SPEED_UNKNOWN || speed === 0 ? undefined : speed,
      duplex: duplex === 0 ? 'half' : duplex === 1 ? 'full' : undefined,
      autoneg: settings.readUInt8(11) === 1,
      port: settings.readUInt8(9),
      supported: settings.readUInt32LE(MODES),
      advertised: settings.readUInt32LE(MODES + 4 * Math.max(words, 0)),
      peer: settings.readUInt32LE(MODES + 8 * Math.max(words, 0)),
    };
  }

  driver(
    name: string,
  ): { driver: string; version: string; firmware: string; bus: string } | undefined {
    const info = Buffer.alloc(196);
    if (!this.#tryCall(name, GDRVINFO, info)) return undefined;
    const text = (at: number): string => {
      const field = info.subarray(at, at + 32);
      return field.toString('latin1', 0, Math.max(0, field.indexOf(0)));
    };
    return { driver: text(4), version: text(36), firmware: text(68), bus: text(100) };
  }

  hasLink(name: string): boolean {
    return this.#value(name, GLINK) === 1;
  }

  /** Undefined when the device has none of its own. */
  permanentMac(name: string): string | undefined {
    const data = Buffer.alloc(8 + 32);
    data.writeUInt32LE(32, 4);
    if (!this.#tryCall(name, GPERMADDR, data)) return undefined;
    const mac = data.subarray(8, 8 + Math.min(32, data.readUInt32LE(4)));
    if (mac.length !== 6 || mac.every((b) => b === 0)) return undefined;
    return Array.from(mac, (b) => b.toString(16).padStart(2, '0')).join(':');
  }

  feature(name: string, feature: Feature): boolean {
    if (feature === 'txVlan') return (this.#value(name, GFLAGS) & FLAG_TXVLAN) !== 0;
    if (feature === 'rxVlan') return (this.#value(name, GFLAGS) & FLAG_RXVLAN) !== 0;
    return this.#value(name, FEATURES[feature][0]) !== 0;
  }

  setFeature(name: string, feature: Feature, on: boolean): void {
    if (feature === 'txVlan' || feature === 'rxVlan') {
      const bit = feature === 'txVlan' ? FLAG_TXVLAN : FLAG_RXVLAN;
      const flags = this.#value(name, GFLAGS);
      this.#set(name, SFLAGS, on ? flags | bit : flags & ~bit);
    } else {
      this.#set(name, FEATURES[feature][1], on ? 1 : 0);
    }
  }

  close(): void {
    this.#socket.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #value(name: string, command: number): number {
    const data = Buffer.alloc(8);
    check(this.#call(name, command, data), `ethtool ${name}`);
    return data.readUInt32LE(4);
  }

  #set(name: string, command: number, value: number): void {
    const data = Buffer.alloc(8);
    data.writeUInt32LE(value >>> 0, 4);
    check(this.#call(name, command, data), `ethtool ${name}`);
  }

  #tryCall(name: string, command: number, data: Buffer): boolean {
    const rc = this.#call(name, command, data);
    if (errnoName(rc) === 'EOPNOTSUPP') return false;
    return check(rc, `ethtool ${name}`) >= 0;
  }

  #call(name: string, command: number, data: Buffer): number {
    const request = ifreq(name);
    data.writeUInt32LE(command, 0);
    request.writeBigUInt64LE(addressOf(data), 16);
    return ioctl(this.#socket.number, SIOCETHTOOL, request);
  }
}
