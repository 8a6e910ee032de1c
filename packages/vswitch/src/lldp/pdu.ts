/** LLDPDUs (IEEE 802.1AB-2009, clause 8) with the TLVs of Auto Attach (draft-unbehagen-lldp-spb). */

export const ETH_P_LLDP = 0x88cc;
/** Nearest bridge. */
const LLDP_MAC = 0x0180c200000e;
const ETH_BYTES = 14;

const Tlv = {
  end: 0,
  chassisId: 1,
  portId: 2,
  ttl: 3,
  portDescription: 4,
  systemName: 5,
  systemDescription: 6,
  capabilities: 7,
  managementAddress: 8,
  org: 127,
} as const;

const CHASSIS_MAC = 4;
const PORT_IFNAME = 5;
const BRIDGE_CAPABILITY = 4;
/** Avaya's, which Auto Attach uses. */
const AA_OUI = 0x00040d;
const AA_ELEMENT = 11;
const AA_MAPPINGS = 12;
const OUI_BYTES = 4;
const DIGEST_BYTES = 32;
const SYSTEM_ID_BYTES = 10;
/** An element's type of a virtual switch that is a client. */
const CLIENT_VIRTUAL_SWITCH = 14;
const MAPPING_BYTES = 5;
/** What one TLV holds. */
const MAX_MAPPINGS = Math.floor((511 - OUI_BYTES - DIGEST_BYTES) / MAPPING_BYTES);

export interface AaMapping {
  readonly isid: number;
  readonly vlan: number;
  /** 4 bits: what the server says of it. */
  readonly status: number;
}

export interface LldpPdu {
  /** Subtype and value of each. */
  readonly chassisId: Uint8Array;
  readonly portId: Uint8Array;
  readonly ttlS: number;
  readonly systemName: string;
  readonly systemDescription: string;
  /** Of an element of Auto Attach. */
  readonly aaSystemId: Uint8Array | undefined;
  readonly aaMappings: readonly AaMapping[];
  /** TLVs of kinds that are not known; those of organisations among them. */
  readonly unrecognized: number;
}

export interface LldpStation {
  readonly mac: number;
  readonly port: string;
  readonly ttlS: number;
  readonly systemName: string;
  readonly systemDescription: string;
  readonly mappings: readonly AaMapping[];
}

/** What a frame holds; undefined: it is to be discarded (802.1AB, 9.2.7.7). */
export function parseLldp(frame: Uint8Array): { pdu: LldpPdu | undefined; unrecognized: number } {
  const bytes = Buffer.from(frame.buffer, frame.byteOffset, frame.byteLength);
  let at = ETH_BYTES;
  let unrecognized = 0;
  const seen = new Set<number>();
  const found = {
    chassisId: new Uint8Array(),
    portId: new Uint8Array(),
    ttlS: 0,
    systemName: '',
    systemDescription: '',
    aaSystemId: undefined as Uint8Array | undefined,
    aaMappings: [] as AaMapping[],
  };
  const bad = () => ({ pdu: undefined, unrecognized });
  for (let n = 0; ; n++) {
    if (at + 2 > bytes.length) return bad();
    const head = bytes.readUInt16BE(at);
    const [type, length] = [head >> 9, head & 0x1ff];
    const value = bytes.subarray(at + 2, at + 2 + length);
    if (value.length < length) return bad();
    at += 2 + length;
    // The first three come in their order, and once.
    if (n < 3 && type !== n + 1) return bad();
    if (n >= 3 && type >= Tlv.chassisId && type <= Tlv.ttl) return bad();
    if (type === Tlv.end) break;
    const isOnce = type > Tlv.portDescription && type < Tlv.managementAddress;
    if (isOnce && seen.has(type)) return bad();
    seen.add(type);
    switch (type) {
      case Tlv.chassisId:
      case Tlv.portId:
        if (length < 2 || length > 256) return bad();
        found[type === Tlv.chassisId ? 'chassisId' : 'portId'] = Uint8Array.from(value);
        break;
      case Tlv.ttl:
        if (length < 2) return bad();
        found.ttlS = value.readUInt16BE(0);
        break;
      case Tlv.systemName:
        found.systemName = value.toString();
        break;
      case Tlv.systemDescription:
        found.systemDescription = value.toString();
        break;
      case Tlv.capabilities:
        if (length < 4) return bad();
        break;
      case Tlv.portDescription:
      case Tlv.managementAddress:
        break;
      case Tlv.org: {
        const known = readOrg(value, found);
        if (known === 'bad') return bad();
        if (known === 'unknown') unrecognized++;
        break;
      }
      default:
        // Reserved for what is to come, and no reason to discard the rest, but that others do.
        unrecognized++;
        return bad();
    }
  }
  return { pdu: { ...found, unrecognized }, unrecognized };
}

function readOrg(
  value: Buffer,
  found: { aaSystemId: Uint8Array | undefined; aaMappings: AaMapping[] },
): 'known' | 'unknown' | 'bad' {
  if (value.length < OUI_BYTES) return 'bad';
  if (value.readUIntBE(0, 3) !== AA_OUI) return 'unknown';
  const body = value.subarray(OUI_BYTES + DIGEST_BYTES);
  switch (value[3]) {
    case AA_ELEMENT:
      if (body.length < 4 + SYSTEM_ID_BYTES) return 'bad';
      found.aaSystemId = Uint8Array.from(body.subarray(4, 4 + SYSTEM_ID_BYTES));
      return 'known';
    case AA_MAPPINGS:
      if (value.length < OUI_BYTES + DIGEST_BYTES) return 'bad';
      for (let at = 0; at + MAPPING_BYTES <= body.length; at += MAPPING_BYTES) {
        const word = body.readUInt16BE(at);
        const isid = body.readUIntBE(at + 2, 3);
        found.aaMappings.push({ status: word >> 12, vlan: word & 0xfff, isid });
      }
      return 'known';
    default:
      return 'unknown';
  }
}

export function emitLldp(station: LldpStation): Buffer {
  const { mac, port, ttlS, systemName, systemDescription, mappings } = station;
  const header = Buffer.alloc(ETH_BYTES);
  header.writeUIntBE(LLDP_MAC, 0, 6);
  header.writeUIntBE(mac, 6, 6);
  header.writeUInt16BE(ETH_P_LLDP, 12);
  const address = Buffer.alloc(6);
  address.writeUIntBE(mac, 0, 6);
  const u16 = (...values: number[]) => {
    const out = Buffer.alloc(2 * values.length);
    values.forEach((value, i) => {
      out.writeUInt16BE(value, 2 * i);
    });
    return out;
  };
  const parts = [
    header,
    tlv(Tlv.chassisId, Buffer.from([CHASSIS_MAC]), address),
    tlv(Tlv.portId, Buffer.from([PORT_IFNAME]), Buffer.from(port)),
    tlv(Tlv.ttl, u16(ttlS)),
    ...(systemName === '' ? [] : [tlv(Tlv.systemName, text(systemName))]),
    ...(systemDescription === '' ? [] : [tlv(Tlv.systemDescription, text(systemDescription))]),
    tlv(Tlv.capabilities, u16(BRIDGE_CAPABILITY, BRIDGE_CAPABILITY)),
    aaTlv(AA_ELEMENT, u16(CLIENT_VIRTUAL_SWITCH << 10, 0), address, Buffer.alloc(4)),
  ];
  if (mappings.length > 0) {
    const pairs = mappings.slice(0, MAX_MAPPINGS).map(({ isid, vlan, status }) => {
      const pair = Buffer.alloc(MAPPING_BYTES);
      pair.writeUInt16BE((status << 12) | vlan, 0);
      pair.writeUIntBE(isid, 2, 3);
      return pair;
    });
    parts.push(aaTlv(AA_MAPPINGS, ...pairs));
  }
  return Buffer.concat([...parts, tlv(Tlv.end)]);
}

/** A name of 255 bytes at most (802.1AB, 8.5.6). */
function text(value: string): Buffer {
  return Buffer.from(value).subarray(0, 255);
}

function aaTlv(subtype: number, ...parts: Uint8Array[]): Buffer {
  const head = Buffer.alloc(OUI_BYTES + DIGEST_BYTES);
  head.writeUIntBE(AA_OUI, 0, 3);
  head[3] = subtype;
  return tlv(Tlv.org, head, ...parts);
}

function tlv(type: number, ...parts: Uint8Array[]): Buffer {
  const value = Buffer.concat(parts);
  const head = Buffer.alloc(2);
  head.writeUInt16BE((type << 9) | value.length);
  return Buffer.concat([head, value]);
}
