/** The words of an exact flow in OpenFlow's terms, any field of the table. */
import { Match, OFPP_NONE } from '@heddle/openflow';
import { isAll, parseFieldText } from '@heddle/openflow/match/field-text';
import { fromBytes } from '@heddle/openflow/match/match-field';
import { PROTOCOLS as MATCH_PROTOCOLS } from '@heddle/openflow/match/match-parse';
import { ofp11PortToOfp10, type PortNames } from '@heddle/openflow/match/ofp-port';
import { fieldPrerequisitesMet } from '@heddle/openflow/match/prerequisites';
import { quickInteger } from '@heddle/openflow/match/quick-number';
import {
  ETH_P_IP,
  type Field,
  Flow,
  fieldByName,
  fieldGet,
  fieldSet,
  IPPROTO_ICMP,
  IPPROTO_SCTP,
  IPPROTO_TCP,
  IPPROTO_UDP,
  VLAN_CFI,
} from '@heddle/packet';
import { HeddleError } from '@heddle/runtime';

/** Names of protocols that only traced flows know, beside those of matches. */
const PROTOCOLS: ReadonlyMap<string, readonly [dlType: number, nwProto?: number]> = new Map([
  ...MATCH_PROTOCOLS,
  ['icmp4', [ETH_P_IP, IPPROTO_ICMP]],
  ['tcp4', [ETH_P_IP, IPPROTO_TCP]],
  ['udp4', [ETH_P_IP, IPPROTO_UDP]],
  ['sctp4', [ETH_P_IP, IPPROTO_SCTP]],
]);

/** Fields of the tag that are names of it only. */
const DL_VLAN: Field = { name: 'dl_vlan', width: 16, format: 'decimal', masking: 'none' };
const DL_VLAN_PCP: Field = { name: 'dl_vlan_pcp', width: 8, format: 'decimal', masking: 'none' };

/** What is not zero has been said. */
export class FlowWords {
  readonly flow: Flow;
  /** Bits that the words say, but of the port. */
  readonly mask: Flow;
  /** An OpenFlow port of 16 bits. */
  ofport = 0;
  readonly match: Match;
  readonly #ports: PortNames;

  /** Writes to `flow` and `mask`, which are empty. `ofportOf` knows ports' names. */
  constructor(flow: Flow, mask: Flow, ofportOf: (name: string) => number | undefined) {
    this.flow = flow;
    this.mask = mask;
    this.match = new Match(flow, NOTHING_SAID, NO_OPTIONS, true);
    this.#ports = { nameOf: () => undefined, portOf: ofportOf };
  }

  /** Any word; throws HeddleError. */
  word(name: string, text: string): void {
    const protocol = PROTOCOLS.get(name);
    if (protocol) this.#protocol(protocol);
    else if (name === 'dl_vlan') this.#tag(DL_VLAN, text);
    else if (name === 'dl_vlan_pcp') this.#tag(DL_VLAN_PCP, text);
    else this.#field(name, text);
  }

  #protocol([dlType, nwProto]: readonly [dlType: number, nwProto?: number]): void {
    const { flow } = this;
    if (flow.dlType !== 0) throw new HeddleError('Ethernet type set multiple times');
    flow.dlType = dlType;
    this.mask.dlType = 0xffff;
    if (nwProto === undefined) return;
    if (flow.nwProto !== 0) throw new HeddleError('network protocol set multiple times');
    flow.nwProto = nwProto;
    this.mask.nwProto = 0xff;
  }

  #field(name: string, text: string): void {
    const { flow } = this;
    const field = fieldByName(name);
    if (!field) throw new HeddleError(`unknown field ${name}`);
    if (!fieldPrerequisitesMet(field, this.match)) {
      throw new HeddleError(`prerequisites not met for setting ${name}`);
    }
    if (field.name.startsWith('vlan_')) {
      this.#tag(field, text, name);
      return;
    }
    const isInPort = field.name === 'in_port' || field.name === 'in_port_oxm';
    const isSaid = isInPort ? this.ofport !== 0 : fieldGet(flow, field) !== 0n;
    if (isSaid) throw new HeddleError(`field ${name} set multiple times`);
    const value = this.#value(field, name, text);
    if (isInPort) {
      this.ofport = Number(value);
      return;
    }
    // Where a packet enters no conjunction has been met yet.
    if (field.name === 'conj_id') return;
    fieldSet(flow, field, value);
    fieldSet(this.mask, field, ALL_ONES);
    if (field.name === 'packet_type' && flow.packetType >>> 16 === 1) {
      flow.dlType = flow.packetType & 0xffff;
    }
  }

  /** The outermost tag, several names for parts of one word. */
  #tag(field: Field, text: string, name = field.name): void {
    const { flow } = this;
    const tci = flow.vlanTci0;
    const [said, put, bits] = TAG_PARTS[field.name]!;
    this.mask.vlanTci0 |= bits;
    if ((tci & said) !== 0) throw new HeddleError(`field ${name} set multiple times`);
    const quick = quickInteger(text, 2 ** field.width);
    flow.vlanTci0 = put(tci, quick < 0 ? Number(this.#value(field, name, text)) : quick);
    flow.vlanTpid0 = (flow.vlanTci0 & VLAN_CFI) === 0 ? 0 : 0x8100;
  }

  #value(field: Field, name: string, text: string): bigint {
    const { value, mask } = this.#parse(field, name, text);
    const isExact = isAll(mask, 0xff) && !(field.format === 'TCP flags' && text.includes('/'));
    if (!isExact && !isAllFlags(field, text)) {
      throw new HeddleError(`bad value for ${name} (${text}: wildcards not allowed here)`);
    }
    const number = fromBytes(value, 0, value.length);
    if (field.format !== 'OpenFlow 1.1+ port') return number;
    return BigInt(ofp11PortToOfp10(Number(number)) ?? OFPP_NONE);
  }

  #parse(field: Field, name: string, text: string): ReturnType<typeof parseFieldText> {
    if (text === '') {
      const isNumber = field.format === 'decimal' || field.format === 'hexadecimal';
      if (isNumber) {
        throw new HeddleError(`bad value for ${name} (: bad syntax for ${field.name} value)`);
      }
      if (name === 'in_port') {
        throw new HeddleError('bad value for in_port (: invalid or unknown port for in_port)');
      }
    }
    try {
      return parseFieldText(field, text, this.#ports);
    } catch (error) {
      if (!(error instanceof HeddleError)) throw error;
      throw new HeddleError(`bad value for ${name} (${error.message})`);
    }
  }
}

/** Names without signs say all flags that there are, which are fewer than the field has bits. */
function isAllFlags({ format }: Field, text: string): boolean {
  if (format !== 'ct state' && format !== 'tunnel flags' && format !== 'TCP flags') return false;
  return !/[+/*-]/.test(text);
}

const NOTHING_SAID = new Flow();
const NO_OPTIONS: Match['tunMetadata'] = [];
const ALL_ONES = (1n << 1024n) - 1n;

type PutTag = (tci: number, value: number) => number;

/** Bits of the word that are the field's, the word with the field in it, bits that it says. */
const TAG_PARTS: Readonly<Record<string, readonly [said: number, put: PutTag, bits: number]>> = {
  dl_vlan: [
    0xfff,
    (tci, vid) => (vid === 0xffff ? 0 : (tci & 0xe000) | VLAN_CFI | (vid & 0xfff)),
    0x1fff,
  ],
  dl_vlan_pcp: [0xe000, (tci, pcp) => (tci & 0x1fff) | VLAN_CFI | ((pcp & 7) << 13), 0xf000],
  vlan_tci: [0xffff, (_, tci) => tci, 0xffff],
  vlan_pcp: [0xe000, (tci, pcp) => (tci & 0x1fff) | ((pcp & 7) << 13), 0xf000],
  vlan_vid: [0x1fff, (tci, vid) => (tci & 0xe000) | (vid & 0x1fff), 0x1fff],
};
