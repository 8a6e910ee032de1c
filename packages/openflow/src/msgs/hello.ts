/** Hello, echo and barrier. */
import type { OfpVersion } from '../constants.ts';
import { type AnyForm, form, writeNothing } from './form.ts';
import type { Reader } from './reader.ts';

const OFPHET_VERSIONBITMAP = 1;

const hello = form<'hello'>({
  type: 'hello',
  name: 'OFPT_HELLO',
  since: 1,
  until: 6,
  wire: { ofpt: 0 },
  min: 0,
  step: 1,
  decode: (r, { version }) => ({ versions: helloVersions(r, version).versions }),
  encode: (w, { version, versions }) => {
    if (versions === allUpTo(version)) return;
    w.u16(OFPHET_VERSIONBITMAP);
    w.u16(8);
    w.u32(versions);
  },
});

/** Without a bitmap, a version stands for itself and all before it (OpenFlow 1.3.5 section 6.3.1). */
function allUpTo(version: number): number {
  return 2 ** (Math.min(version, 31) + 1) - 2;
}

/**
 * Bit v of `versions`: version v, by the last bitmap that says any. Elements that are malformed or
 * unknown are skipped; `complete`: there was nothing but bitmaps.
 */
export function helloVersions(
  r: Reader,
  version: number,
): { readonly versions: number; readonly complete: boolean } {
  let versions = allUpTo(version);
  let complete = true;
  while (r.left >= 4) {
    const start = r.off;
    const type = r.u16();
    const length = r.u16();
    if (length < 4 || start + length > r.end) return { versions, complete: false };
    // Only the first word of the bitmap has versions that anybody knows.
    const isBitmap = type === OFPHET_VERSIONBITMAP && length >= 8 && length % 4 === 0;
    const bitmap = isBitmap ? (r.u32() & ~1) >>> 0 : 0;
    if (bitmap === 0) complete = false;
    else versions = bitmap;
    r.off = Math.min(start + Math.ceil(length / 8) * 8, r.end);
  }
  return { versions, complete: complete && r.left === 0 };
}

function echo(type: 'echo_request' | 'echo_reply', ofpt: number): AnyForm {
  return form<typeof type>({
    type,
    name: `OFPT_${type.toUpperCase()}`,
    since: 1,
    until: 6,
    wire: { ofpt },
    min: 0,
    step: 1,
    decode: (r) => ({ data: r.bytes() }),
    encode: (w, { data }) => w.bytes(data),
  });
}

type Empty =
  | 'features_request'
  | 'get_config_request'
  | 'barrier_request'
  | 'barrier_reply'
  | 'get_async_request';

/** A message without a body. */
export function empty(
  type: Empty,
  name: string,
  ofpt: number,
  since: OfpVersion = 1,
  until: OfpVersion = 6,
): AnyForm {
  const wire = { ofpt };
  const decode = () => ({});
  return form<Empty>({
    type,
    name,
    since,
    until,
    wire,
    min: 0,
    step: 0,
    decode,
    encode: writeNothing,
  });
}

export const HELLO_FORMS: readonly AnyForm[] = [
  hello,
  echo('echo_request', 2),
  echo('echo_reply', 3),
  empty('barrier_request', 'OFPT_BARRIER_REQUEST', 18, 1, 1),
  empty('barrier_reply', 'OFPT_BARRIER_REPLY', 19, 1, 1),
  empty('barrier_request', 'OFPT_BARRIER_REQUEST', 20, 2, 6),
  empty('barrier_reply', 'OFPT_BARRIER_REPLY', 21, 2, 6),
];
