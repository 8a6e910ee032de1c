/** Tunnel options by number, which mean something only where they are mapped (NXT_TLV_TABLE_MOD). */
import type { Field } from '@heddle/packet';
import { OfpError } from '../errors.ts';

/** What knows which `tun_metadataN` stand for an option. */
export interface TlvFields {
  has(index: number): boolean;
}

/** Throws `OfpError` for a tunnel option that no mapping is known of. */
export function checkMapped(field: Field | undefined, tlv: TlvFields | undefined): void {
  if (tlv && field?.tunMetadata !== undefined && !tlv.has(field.tunMetadata)) {
    throw new OfpError('NXFMFC_INVALID_TLV_FIELD');
  }
}
