/** NXAST_LEARN, and NXAST_LEARN2 where a limit or a result is asked for. */
import type { LearnSpec, OfpAct, Subfield } from '../ofp-actions.ts';
import type { ByteWriter } from './byte-writer.ts';
import { endNicira, putNicira } from './emit-nicira.ts';
import { NXM, putFieldHeader } from './field-header.ts';
import {
  NX_LEARN_DST,
  NX_LEARN_DST_SHIFT,
  NX_LEARN_F,
  NX_LEARN_SRC_IMMEDIATE,
} from './parse-learn.ts';

export function emitLearn(w: ByteWriter, act: Extract<OfpAct, { type: 'learn' }>) {
  const { flags } = act;
  const second = act.limit !== 0 || flags.writeResult;
  const at = putNicira(w, second ? 45 : 16, second ? 40 : 32);
  const { dv } = w;
  dv.setUint16(at + 10, act.idleTimeout);
  dv.setUint16(at + 12, act.hardTimeout);
  dv.setUint16(at + 14, act.priority);
  dv.setBigUint64(at + 16, act.cookie);
  dv.setUint16(
    at + 24,
    (flags.sendFlowRem ? NX_LEARN_F.sendFlowRem : 0) |
      (flags.deleteLearned ? NX_LEARN_F.deleteLearned : 0) |
      (flags.writeResult ? NX_LEARN_F.writeResult : 0),
  );
  w.u8[at + 26] = act.table;
  dv.setUint16(at + 28, act.finIdleTimeout);
  dv.setUint16(at + 30, act.finHardTimeout);
  if (second) {
    dv.setUint32(at + 32, act.limit);
    dv.setUint16(at + 36, act.resultDst?.ofs ?? 0);
    if (act.resultDst) putFieldHeader(w, act.resultDst.field, NXM);
  }
  for (const spec of act.specs) emitSpec(w, spec);
  endNicira(w, at);
}

function emitSpec(w: ByteWriter, spec: LearnSpec) {
  const nBits = spec.type === 'output' ? spec.src.nBits : spec.dst.nBits;
  const immediate = 'value' in spec ? NX_LEARN_SRC_IMMEDIATE : 0;
  w.u16(nBits | (NX_LEARN_DST[spec.type] << NX_LEARN_DST_SHIFT) | immediate);
  if ('value' in spec) w.uint(spec.value, 2 * Math.ceil(nBits / 16));
  else emitSubfield(w, spec.src);
  if (spec.type !== 'output') emitSubfield(w, spec.dst);
}

function emitSubfield(w: ByteWriter, { field, ofs }: Subfield) {
  putFieldHeader(w, field, NXM);
  w.u16(ofs);
}
