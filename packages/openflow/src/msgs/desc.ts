/** What the switch is (OpenFlow 1.3.5 section 7.3.5.1). */
import { type AnyForm, form, writeNothing } from './form.ts';
import { putString } from './text.ts';

const DESC_STR_LEN = 256;
const SERIAL_NUM_LEN = 32;

const descRequest = form<'desc_request'>({
  type: 'desc_request',
  name: 'OFPST_DESC',
  since: 1,
  until: 6,
  wire: { ofpst: 0, reply: false },
  min: 0,
  step: 0,
  decode: () => ({}),
  encode: writeNothing,
});

const descReply = form<'desc_reply'>({
  type: 'desc_reply',
  name: 'OFPST_DESC',
  since: 1,
  until: 6,
  wire: { ofpst: 0, reply: true },
  min: 4 * DESC_STR_LEN + SERIAL_NUM_LEN,
  step: 0,
  decode: (r) => ({
    mfr: r.string(DESC_STR_LEN),
    hw: r.string(DESC_STR_LEN),
    sw: r.string(DESC_STR_LEN),
    serial: r.string(SERIAL_NUM_LEN),
    dp: r.string(DESC_STR_LEN),
  }),
  encode: (w, msg) => {
    putString(w, msg.mfr, DESC_STR_LEN);
    putString(w, msg.hw, DESC_STR_LEN);
    putString(w, msg.sw, DESC_STR_LEN);
    putString(w, msg.serial, SERIAL_NUM_LEN);
    putString(w, msg.dp, DESC_STR_LEN);
  },
});

export const DESC_FORMS: readonly AnyForm[] = [descRequest, descReply];
