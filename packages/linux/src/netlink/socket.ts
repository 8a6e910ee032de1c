/**
 * Requests on a netlink socket, synchronous: the kernel has put its answer into the socket's queue
 * when sendto(2) returns, and makes each next part of a dump while the one before is read.
 */
import { SystemError } from '@heddle/runtime/errors';
import { check, errnoName, syscall } from '../native.ts';
import { bind, type Fd, SOCK_RAW, setOption, socket } from '../socket.ts';
import { SYS } from '../syscalls.ts';
import {
  emitMessage,
  type NetlinkMessage,
  NLM_F_ACK,
  NLM_F_DUMP,
  NLM_F_DUMP_INTR,
  NLM_F_REQUEST,
  NLMSG_DONE,
  NLMSG_ERROR,
  parseError,
  parseMessages,
} from './message.ts';

const AF_NETLINK = 16;
const SOL_NETLINK = 270;
const NETLINK_ADD_MEMBERSHIP = 1;
const NETLINK_EXT_ACK = 11;
const NETLINK_GET_STRICT_CHK = 12;
const SOL_SOCKET = 1;
const SO_RCVBUFFORCE = 33;
const MSG_TRUNC = 0x20;
const MSG_DONTWAIT = 0x40;
const DUMP_TRIES = 5;
export const NETLINK_ROUTE = 0;

export class NetlinkSocket implements Disposable {
  readonly fd: Fd;
  #seq = 1;
  readonly #buffer = Buffer.alloc(256 * 1024);

  constructor(
    protocol: number,
    options: { groups?: readonly number[]; receiveBytes?: number } = {},
  ) {
    this.fd = socket(AF_NETLINK, SOCK_RAW, protocol);
    try {
      setOption(this.fd, SOL_NETLINK, NETLINK_EXT_ACK, 1);
      setOption(this.fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, 1);
      setOption(this.fd, SOL_SOCKET, SO_RCVBUFFORCE, options.receiveBytes ?? 1 << 20);
      bind(this.fd, Uint8Array.of(AF_NETLINK, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0));
      for (const group of options.groups ?? []) {
        setOption(this.fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, group);
      }
    } catch (error) {
      this.fd.close();
      throw error;
    }
  }

  /** Sends a request and returns what came before its acknowledgement. Throws NetlinkError. */
  request(what: string, type: number, flags: number, payload: Uint8Array): NetlinkMessage[] {
    return this.#exchange(what, type, flags | NLM_F_ACK, payload).messages;
  }

  /** A dump; repeated when the kernel says that it changed meanwhile (NLM_F_DUMP_INTR). */
  dump(what: string, type: number, payload: Uint8Array): NetlinkMessage[] {
    for (let tries = 1; ; tries++) {
      const { messages, interrupted } = this.#exchange(what, type, NLM_F_DUMP, payload);
      if (!interrupted || tries === DUMP_TRIES) return messages;
    }
  }

  /** The datagram at the head of the queue, or undefined; ENOBUFS (a lost event) is thrown. */
  receive(): Uint8Array | undefined {
    const flags = MSG_DONTWAIT | MSG_TRUNC;
    for (;;) {
      const n = syscall(
        SYS.recvfrom,
        this.fd.number,
        this.#buffer,
        this.#buffer.length,
        flags,
        0,
        0,
      );
      if (n >= 0) {
        if (n > this.#buffer.length) throw new SystemError('EMSGSIZE', 'netlink receive');
        return Uint8Array.prototype.slice.call(this.#buffer, 0, n);
      }
      if (errnoName(n) === 'EAGAIN') return undefined;
      if (errnoName(n) !== 'EINTR') throw new SystemError(errnoName(n), 'netlink receive');
    }
  }

  close(): void {
    this.fd.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #exchange(what: string, type: number, flags: number, payload: Uint8Array) {
    const seq = this.#seq++ >>> 0;
    const request = emitMessage({ type, flags: flags | NLM_F_REQUEST, seq, payload });
    check(syscall(SYS.sendto, this.fd.number, request, request.length, 0, 0, 0), what);
    const messages: NetlinkMessage[] = [];
    let interrupted = false;
    for (;;) {
      const datagram = this.receive();
      if (!datagram) throw new SystemError('EPROTO', `${what}: no answer from the kernel`);
      for (const message of parseMessages(datagram)) {
        if (message.seq !== seq) continue;
        if (message.flags & NLM_F_DUMP_INTR) interrupted = true;
        if (message.type === NLMSG_ERROR || message.type === NLMSG_DONE) {
          const error = parseError(message, what);
          if (error) throw error;
          return { messages, interrupted };
        }
        messages.push(message);
      }
    }
  }
}
