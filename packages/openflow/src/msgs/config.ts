/** Switch configuration: how fragments are treated, how much of a packet a controller gets. */
import { OfpError } from '../errors.ts';
import { type AnyForm, form } from './form.ts';
import { empty } from './hello.ts';

const OFPC_FRAG_MASK = 3;
/** OpenFlow 1.0 to 1.2: later ones say it by asynchronous configuration. */
const OFPC_INVALID_TTL_TO_CONTROLLER = 4;

function config(type: 'get_config_reply' | 'set_config', ofpt: number): AnyForm {
  return form<typeof type>({
    type,
    name: `OFPT_${type.toUpperCase()}`,
    since: 1,
    until: 6,
    wire: { ofpt },
    min: 4,
    step: 0,
    decode: (r, { version }) => {
      const allowed = flagsOf(version);
      const flags = r.u16();
      if (type === 'set_config' && (flags & ~allowed) !== 0) {
        throw new OfpError('OFPSCFC_BAD_FLAGS');
      }
      return { flags: flags & allowed, missSendLen: r.u16() };
    },
    encode: (w, { version, flags, missSendLen }) => {
      w.u16(flags & flagsOf(version));
      w.u16(missSendLen);
    },
  });
}

function flagsOf(version: number): number {
  return OFPC_FRAG_MASK | (version < 4 ? OFPC_INVALID_TTL_TO_CONTROLLER : 0);
}

export const CONFIG_FORMS: readonly AnyForm[] = [
  empty('get_config_request', 'OFPT_GET_CONFIG_REQUEST', 7),
  config('get_config_reply', 8),
  config('set_config', 9),
];
