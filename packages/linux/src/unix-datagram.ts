import { syscall } from './native.ts';
import { SOCK_DGRAM, socket } from './socket.ts';

const AF_UNIX = 1;
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;
const SYS_CONNECT = process.arch === 'arm64' ? 203 : 42;
const SYS_SENDTO = process.arch === 'arm64' ? 206 : 44;
/** sizeof sun_path. */
const PATH_BYTES = 108;

/** Connects to `path`, as syslog(3) does; undefined when nobody listens there. */
export function unixDatagram(path: string): ((bytes: Uint8Array) => void) | undefined {
  const name = Buffer.from(path);
  if (name.length >= PATH_BYTES) return undefined;
  const address = Buffer.alloc(2 + PATH_BYTES);
  address.writeUInt16LE(AF_UNIX, 0);
  name.copy(address, 2);
  const fd = socket(AF_UNIX, SOCK_DGRAM, 0);
  if (syscall(SYS_CONNECT, fd.number, address, address.length) < 0) {
    fd.close();
    return undefined;
  }
  // A reader that is slow or gone loses messages: it does not stop the switch.
  return (bytes) => {
    syscall(SYS_SENDTO, fd.number, bytes, bytes.length, MSG_DONTWAIT | MSG_NOSIGNAL, null, 0);
  };
}
