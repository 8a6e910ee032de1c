/** What all translations for one datapath have in common. */
import type { Dpif, HashAlgorithm, OdpPort } from '@heddle/datapath';
import { RecircIds } from '../ofproto/recirc.ts';
import type { OfPort, XlateConfig } from '../ofproto.ts';
import type { NativeTunnels } from '../tunnel/native.ts';
import type { TunnelPorts } from '../tunnel/ports.ts';

export interface XlateParts {
  readonly dpif: Pick<Dpif, 'nowMs' | 'engine'>;
  readonly ports: ReadonlyMap<OdpPort, OfPort>;
  readonly tunnels: TunnelPorts;
  readonly native: () => NativeTunnels | undefined;
  readonly hashAlgorithm: () => HashAlgorithm | undefined;
  readonly ctTimeoutOf: (zone: number) => number | undefined;
}

export function makeXlateConfig(parts: XlateParts): { vlanLimit: number } & XlateConfig {
  const { dpif, ports, tunnels, native, hashAlgorithm, ctTimeoutOf } = parts;
  return {
    vlanLimit: 1,
    get native() {
      return native();
    },
    get hashAlgorithm() {
      return hashAlgorithm();
    },
    portOf: (odpPort) => ports.get(odpPort),
    tunnels,
    recirc: new RecircIds(() => dpif.nowMs()),
    leavesFragments: dpif.engine === 'kernel',
    ctTimeoutOf,
  };
}
