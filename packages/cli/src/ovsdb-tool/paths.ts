import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** Where schemas lie: `OVS_PKGDATADIR`, else this project's share/, else upstream's place. */
export function pkgdatadir(): string {
  const given = process.env['OVS_PKGDATADIR'];
  if (given) return given;
  for (let dir = import.meta.dirname; dir !== dirname(dir); dir = dirname(dir)) {
    const share = join(dir, 'share');
    if (existsSync(join(share, 'vswitch.ovsschema'))) return share;
  }
  return '/usr/share/openvswitch';
}

export function defaultSchema(): string {
  return join(pkgdatadir(), 'vswitch.ovsschema');
}
