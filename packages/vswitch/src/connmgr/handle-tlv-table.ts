/** Which tunnel options are which `tun_metadata` fields. */
import type { MessageOf } from '@heddle/openflow';
import { TLV_FIELDS, TLV_SPACE } from '@heddle/packet';
import { changeTlvTable } from '../ofproto/tlv.ts';
import type { Connmgr } from './connmgr.ts';
import type { OfConn } from './ofconn.ts';

export function handleTlvTableMod(mgr: Connmgr, msg: MessageOf<'tlv_table_mod'>): void {
  changeTlvTable(mgr.env.ofproto, msg.command, msg.mappings);
  mgr.env.tablesChanged();
}

export function handleTlvTableRequest(mgr: Connmgr, conn: OfConn, xid: number): void {
  conn.send(xid, {
    type: 'tlv_table_reply',
    maxOptionSpace: TLV_SPACE,
    maxFields: TLV_FIELDS,
    mappings: mgr.env.ofproto.tlv.mappings,
  });
}
