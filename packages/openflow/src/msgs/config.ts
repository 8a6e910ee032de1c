/** Switch configuration: how fragments are treated, how much of a packet a controller gets. */
import { type AnyForm, form } from './form.ts';
import { empty } from './hello.ts';

/** Since OpenFlow 1.3 the switch has no OFPC_INVALID_TTL_TO_CONTROLLER: async configuration says it. */
function config(type: 'get_config_reply' | 'set_config', ofpt: number): AnyForm {
  return form<typeof type>({
    type,
    name: `OFPT_${type.toUpperCase()}`,
    since: 1,
    until: 6,
    wire: { ofpt },
    min: 4,
    step: 0,
    decode: (r) => ({ flags: r.u16(), missSendLen: r.u16() }),
    encode: (w, { flags, missSendLen }) => {
      w.u16(flags);
      w.u16(missSendLen);
    },
  });
}

export const CONFIG_FORMS: readonly AnyForm[] = [
  empty('get_config_request', 'OFPT_GET_CONFIG_REQUEST', 7),
  config('get_config_reply', 8),
  config('set_config', 9),
];
