import { OFPUTIL_P_ANY, type PacketInFormat, type Protocols } from '@heddle/openflow';
import type { TlsFiles } from '@heddle/runtime/remote';

export interface SortKey {
  /** A field's name, or `priority`. */
  readonly field: string;
  readonly descending: boolean;
}

/** What the options say. */
export interface Settings {
  /** Bit v: version v may be spoken; undefined: not said. */
  versions: number | undefined;
  /** Flow formats that may be used. */
  protocols: Protocols;
  strict: boolean;
  readOnly: boolean;
  readd: boolean;
  bundle: boolean;
  mayCreate: boolean;
  timestamp: boolean;
  /** Packets are composed as a file of tcpdump. */
  pcap: boolean;
  /** Of messages: how much is told. */
  verbosity: number;
  /** undefined: for input yes, for output where a person reads it. */
  names: boolean | undefined;
  stats: boolean;
  sort: SortKey[];
  color: 'always' | 'never' | 'auto';
  packetInFormat: PacketInFormat | undefined;
  unixctl: string | undefined;
  readonly tls: { -readonly [K in keyof TlsFiles]: TlsFiles[K] };
}

export function defaultSettings(): Settings {
  return {
    versions: undefined,
    protocols: OFPUTIL_P_ANY,
    strict: false,
    readOnly: false,
    readd: false,
    bundle: false,
    mayCreate: false,
    timestamp: false,
    pcap: false,
    verbosity: 0,
    names: undefined,
    stats: true,
    sort: [],
    color: 'auto',
    packetInFormat: undefined,
    unixctl: undefined,
    tls: { privateKey: undefined, certificate: undefined, caCert: undefined },
  };
}
