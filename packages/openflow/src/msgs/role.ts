/** Controller roles (OpenFlow 1.3.5 section 7.3.9; NXT_ROLE_REQUEST before OpenFlow 1.2). */
import type { OfpVersion } from '../constants.ts';
import { OfpError } from '../errors.ts';
import type { ControllerRole } from '../messages.ts';
import { type AnyForm, form, NX_VENDOR_ID, ONF_VENDOR_ID, type Wire } from './form.ts';

const ROLES: readonly ControllerRole[] = ['nochange', 'equal', 'primary', 'secondary'];
/** NXT_ROLE_REQUEST counts from "equal", which it calls "other". */
const NX_FIRST = 1;
const NO_GENERATION = 0xffff_ffff_ffff_ffffn;

function pullRole(number: number): ControllerRole {
  const role = ROLES[number];
  if (role === undefined) throw new OfpError('OFPRRFC_BAD_ROLE');
  return role;
}

function role(type: 'role_request' | 'role_reply', ofpt: number): AnyForm {
  return form<typeof type>({
    type,
    name: `OFPT_${type.toUpperCase()}`,
    since: 3,
    until: 6,
    wire: { ofpt },
    min: 16,
    step: 0,
    fits: (msg) => msg.isNicira !== true,
    decode: (r, { version }) => {
      const at = r.take(16);
      const value = pullRole(r.dv.getUint32(at));
      const generationId = r.dv.getBigUint64(at + 8);
      // To a switch all ones are an id as any other: the last before 0.
      const hasGeneration =
        type === 'role_reply' ? generationId !== NO_GENERATION : value !== 'nochange';
      const shortId = version === 6 ? r.dv.getUint16(at + 4) : 0;
      return {
        role: value,
        ...(hasGeneration && { generationId }),
        ...(shortId !== 0 && { shortId }),
      };
    },
    encode: (w, msg) => {
      const at = w.grow(16);
      w.dv.setUint32(at, ROLES.indexOf(msg.role));
      if (msg.version === 6) w.dv.setUint16(at + 4, msg.shortId ?? 0);
      w.dv.setBigUint64(at + 8, msg.generationId ?? NO_GENERATION);
    },
  });
}

function nxRole(type: 'role_request' | 'role_reply', subtype: number): AnyForm {
  return form<typeof type>({
    type,
    name: `NXT_${type.toUpperCase()}`,
    since: 1,
    until: 6,
    wire: { vendor: NX_VENDOR_ID, subtype },
    min: 4,
    step: 0,
    decode: (r, { version }) => {
      const number = r.u32();
      if (number > 2) throw new OfpError('OFPRRFC_BAD_ROLE');
      return { role: pullRole(number + NX_FIRST), ...(version >= 3 && { isNicira: true }) };
    },
    encode: (w, msg) => {
      if (msg.role === 'nochange') throw new OfpError('OFPRRFC_BAD_ROLE', 'needs OpenFlow 1.2');
      w.u32(ROLES.indexOf(msg.role) - NX_FIRST);
    },
  });
}

function roleStatus(name: string, wire: Wire, since: OfpVersion, until: OfpVersion): AnyForm {
  return form<'role_status'>({
    type: 'role_status',
    name,
    since,
    until,
    wire,
    min: 16,
    step: 8,
    decode: (r) => {
      const at = r.take(16);
      return {
        role: pullRole(r.dv.getUint32(at)),
        reason: r.u8[at + 4]!,
        generationId: r.dv.getBigUint64(at + 8),
      };
    },
    encode: (w, msg) => {
      const at = w.grow(16);
      w.dv.setUint32(at, ROLES.indexOf(msg.role));
      w.u8[at + 4] = msg.reason;
      w.dv.setBigUint64(at + 8, msg.generationId);
    },
  });
}

export const ROLE_FORMS: readonly AnyForm[] = [
  role('role_request', 24),
  role('role_reply', 25),
  nxRole('role_request', 10),
  nxRole('role_reply', 11),
  roleStatus('OFPT_ROLE_STATUS', { ofpt: 30 }, 5, 6),
  roleStatus('ONFT_ROLE_STATUS', { vendor: ONF_VENDOR_ID, subtype: 1911 }, 4, 4),
];
