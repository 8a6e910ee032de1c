/** NTR selection method: how a select group chooses its bucket (ovs-ofctl(8), "Group Syntax"). */
import { vlog } from '@heddle/runtime';
import type { ByteWriter } from '../actions/byte-writer.ts';
import type { OfpVersion } from '../constants.ts';
import { OfpError } from '../errors.ts';
import type { GroupCommand, GroupProps, GroupType } from '../messages.ts';
import { refusal } from '../refuse.ts';
import { emitFieldArray, hashedFieldsMatch, parseFieldArray } from './field-array.ts';
import { pullProperty, putProperty, unknownProperty } from './property.ts';
import type { Reader } from './reader.ts';

const log = vlog.module('ofp_group');

const NTR_VENDOR_ID = 0x0000_154d;
/** As Open vSwitch once had it. */
const NTR_COMPAT_VENDOR_ID = 0x0000_1540;
const NTR_SELECTION_METHOD = 1;
const EXPERIMENTER = 0xffff;
const METHOD_LENGTH = 16;

export const NO_GROUP_PROPS: GroupProps = {
  selectionMethod: '',
  selectionMethodParam: 0n,
  fields: undefined,
};

/** To the end of `r`; `command` is undefined in descriptions. */
export function pullGroupProps(
  r: Reader,
  groupType: GroupType | undefined,
  command?: GroupCommand | 'unknown',
): GroupProps {
  let props = NO_GROUP_PROPS;
  while (r.left > 0) {
    const property = pullProperty(r);
    const { vendor, subtype, body } = property;
    const isNtr = vendor === NTR_VENDOR_ID || vendor === NTR_COMPAT_VENDOR_ID;
    if (!isNtr || subtype !== NTR_SELECTION_METHOD) {
      throw unknownProperty(property, log, 'group');
    }
    props = pullSelectionMethod(body, groupType, command);
  }
  return props;
}

function pullSelectionMethod(
  r: Reader,
  groupType: GroupType | undefined,
  command?: GroupCommand | 'unknown',
): GroupProps {
  if (groupType === undefined) throw new OfpError('OFPGMFC_BAD_TYPE');
  if (groupType !== 'select') {
    const why = 'ntr selection method property is only allowed for select groups';
    throw refusal(log, 'OFPBPC_BAD_VALUE', why);
  }
  if (command === 'unknown') throw new OfpError('OFPGMFC_BAD_COMMAND');
  if (command === 'delete' || command === 'insert_bucket' || command === 'remove_bucket') {
    throw new OfpError('OFPBPC_BAD_VALUE');
  }
  if (r.left < 12 + METHOD_LENGTH + 8) throw new OfpError('OFPBPC_BAD_LEN');
  r.take(12);
  const name = r.view(METHOD_LENGTH);
  const nul = name.indexOf(0);
  const selectionMethod = Buffer.from(nul < 0 ? name : name.subarray(0, nul)).toString('latin1');
  if (nul < 0 || (selectionMethod !== 'hash' && selectionMethod !== 'dp_hash')) {
    if (nul >= 0) log.rl.warn(`ntr selection method '${selectionMethod}' is not supported`);
    throw new OfpError('OFPBPC_BAD_VALUE');
  }
  const selectionMethodParam = r.u64();
  if (r.left > 0 && selectionMethod !== 'hash') throw new OfpError('OFPBPC_BAD_VALUE');
  const fieldArray = parseFieldArray(r.view());
  if (fieldArray.length === 0) return { selectionMethod, selectionMethodParam, fields: undefined };
  const fields = hashedFieldsMatch(fieldArray);
  return { selectionMethod, selectionMethodParam, fields, fieldArray };
}

export function putGroupProps(w: ByteWriter, props: GroupProps, version: OfpVersion): void {
  if (props.selectionMethod === '') return;
  putProperty(w, EXPERIMENTER, () => {
    w.u32(NTR_VENDOR_ID);
    w.u32(NTR_SELECTION_METHOD);
    w.grow(4);
    const at = w.grow(METHOD_LENGTH);
    w.u8.set(Buffer.from(props.selectionMethod, 'latin1').subarray(0, METHOD_LENGTH - 1), at);
    w.u64(props.selectionMethodParam);
    emitFieldArray(w, props.fieldArray ?? [], version);
  });
}
