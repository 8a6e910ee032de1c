/**
 * A form: how one message looks on the wire in a range of versions. The registry is a table of
 * them, so that a codec knows its own bytes only and nothing of headers, lengths and multiparts.
 */
import type { ByteWriter } from '../actions/byte-writer.ts';
import type { OfpVersion } from '../constants.ts';
import type { TlvFields } from '../match/tlv-fields.ts';
import type { Match } from '../match.ts';
import type { OfpBody, OfpHeader, OfpMessage, OfpMessageType } from '../messages.ts';
import type { Reader } from './reader.ts';

/** What the reader of a message must know besides its bytes. */
export interface DecodeContext {
  /** Whether NXT_FLOW_MOD_TABLE_ID is on; as in `ofp-print`, it is if nothing is said. */
  readonly hasTableId?: boolean;
  /** Unknown properties are skipped rather than refused: for whom only looks at messages. */
  readonly loose?: boolean;
  /** Whose memory a flow mod's match may take: who decodes the next one is done with the last. */
  readonly into?: Match | undefined;
  /** Tunnel options that flow mods may name; undefined: all. */
  readonly tlv?: TlvFields | undefined;
}

/** For messages within messages: the forms do not know the registry. */
export interface Codec {
  /**
   * All of what the reader has left. Throws OfpError: `NOT_ALLOWED` for what is no message, or none of the
   * types.
   */
  decodeMessage(
    r: Reader,
    context?: DecodeContext,
    allowed?: ReadonlySet<OfpMessageType>,
  ): OfpMessage;
  appendMessage(w: ByteWriter, msg: OfpMessage): void;
  /** undefined when numbers or length are not those of any message. Leaves the reader where it is. */
  messageType(r: Reader): OfpMessageType | undefined;
}

/** Type numbers; `ofpst` is a multipart's, with a vendor an experimenter's. */
export type Wire =
  | { readonly ofpt: number }
  | { readonly vendor: number; readonly subtype: number }
  | { readonly ofpst: number; readonly reply: boolean }
  | { readonly ofpstVendor: number; readonly subtype: number; readonly reply: boolean };

type Having<B, T> = B extends { readonly type: infer U } ? (T extends U ? B : never) : never;

/** The message that `type` T names. */
export type BodyOf<T extends OfpMessageType> = Having<OfpBody, T>;

type Fields<B> = B extends unknown ? Omit<B, 'type' | 'more'> : never;
export type FieldsOf<T extends OfpMessageType> = Fields<BodyOf<T>>;

export interface Form<T extends OfpMessageType> {
  readonly type: T;
  /** As `ovs-ofctl ofp-print` calls it, less ` request` and ` reply`: `OFPT_FLOW_MOD`. */
  readonly name: string;
  readonly since: OfpVersion;
  readonly until: OfpVersion;
  readonly wire: Wire;
  /**
   * Bytes behind the header (OpenFlow's 8; 16 with an experimenter's; 12 or 16 of a multipart; 24
   * of an experimenter's multipart): at least `min`, and `step` divides what is beyond; 0: none.
   */
  readonly min: number;
  readonly step: number;
  /** Of several forms that a version has, the encoder takes the first that fits. */
  fits?(msg: OfpHeader & BodyOf<T>): boolean;
  /** `r` is behind the header and ends with the message. */
  decode(r: Reader, h: OfpHeader, context: DecodeContext, codec: Codec): FieldsOf<T>;
  /** Appends what follows the header. */
  encode(w: ByteWriter, msg: OfpHeader & BodyOf<T>, codec: Codec): void;
  /**
   * For a reply that is a list, each of whose entries must stay whole when the reply is split:
   * `encode` is then what comes before the entries, usually nothing.
   */
  readonly entries?: {
    of(msg: OfpHeader & BodyOf<T>): readonly unknown[];
    // biome-ignore lint/suspicious/noExplicitAny: each form knows its own entries
    put(w: ByteWriter, entry: any, msg: OfpHeader & BodyOf<T>): void;
  };
}

/** A form of any type, as the registry keeps it. */
export interface AnyForm {
  readonly type: OfpMessageType;
  readonly name: string;
  readonly since: OfpVersion;
  readonly until: OfpVersion;
  readonly wire: Wire;
  readonly min: number;
  readonly step: number;
  fits?(msg: OfpMessage): boolean;
  decode(r: Reader, h: OfpHeader, context: DecodeContext, codec: Codec): object;
  encode(w: ByteWriter, msg: OfpMessage, codec: Codec): void;
  readonly entries?: {
    of(msg: OfpMessage): readonly unknown[];
    put(w: ByteWriter, entry: unknown, msg: OfpMessage): void;
  };
}

/** Checks a form against its type and forgets the type. */
export function form<T extends OfpMessageType>(made: Form<T>): AnyForm {
  return made as unknown as AnyForm;
}

export const NX_VENDOR_ID = 0x0000_2320;
export const ONF_VENDOR_ID = 0x4f4e_4600;

/** No error of OpenFlow: who asks for certain types says what it means. */
export const NOT_ALLOWED = 'NOT_ALLOWED';

export function writeNothing(): void {}
