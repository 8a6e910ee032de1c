/** `dpif-dummy/*`: what tests do to datapaths of dummy devices. */
import { SystemError, UnixctlError, type UnixctlServer } from '@heddle/runtime';
import type { Switch } from '../switch.ts';

const ODPP_NONE = 0xffff_ffff;

export function registerDummyPorts(server: UnixctlServer, sw: Switch): void {
  const usage = 'dp port new-number';
  server.register('dpif-dummy/change-port-number', usage, 3, 3, ([dp, name, number]) => {
    const backer = [...sw.backers.values()].find(({ dpif }) => dpif.name === dp);
    if (!backer?.dpif.portRenumber) throw new UnixctlError('unknown datapath or not a dummy');
    const port = [...backer.dpif.ports()].find((p) => p.name === name);
    if (!port) throw new UnixctlError('unknown port');
    const to = portNumber(number!);
    if (to === 0 || to === ODPP_NONE) throw new UnixctlError('bad port number');
    const from = port.portNo;
    try {
      backer.dpif.portRenumber(from, to);
    } catch (error) {
      if (error instanceof SystemError && error.code === 'EEXIST')
        throw new UnixctlError('port number already in use');
      throw error;
    }
    backer.renumbered(from, to);
    return '';
  });
}

/** As atoi(3) reads it, of 32 bits. */
function portNumber(text: string): number {
  const digits = /^\s*[+-]?\d+/.exec(text)?.[0];
  return digits === undefined ? 0 : Number(BigInt.asUintN(32, BigInt(digits.trim())));
}
