/** bpf(2): one place that knows attribute layouts (include/uapi/linux/bpf.h). */
import { SystemError } from '@heddle/runtime';
import { addressOf, syscall } from '../native.ts';

const SYS_BPF = process.arch === 'arm64' ? 280 : 321;

export const BPF_MAP_CREATE = 0;
export const BPF_MAP_LOOKUP_ELEM = 1;
export const BPF_MAP_UPDATE_ELEM = 2;
export const BPF_MAP_DELETE_ELEM = 3;
export const BPF_MAP_GET_NEXT_KEY = 4;
export const BPF_PROG_LOAD = 5;
export const BPF_OBJ_PIN = 6;
export const BPF_OBJ_GET = 7;
export const BPF_PROG_TEST_RUN = 10;
export const BPF_OBJ_GET_INFO_BY_FD = 15;
export const BPF_MAP_LOOKUP_BATCH = 24;
export const BPF_MAP_UPDATE_BATCH = 26;
export const BPF_LINK_CREATE = 28;
export const BPF_LINK_UPDATE = 29;

/** A refusal by bpf(2); `log` is the end of the verifier's log where there is one. */
export class BpfError extends SystemError {
  readonly log: string;

  constructor(code: string, message: string, log = '') {
    super(code, message);
    if (log !== '') this.message += `\n${log}`;
    this.log = log;
  }
}

export { errnoName } from '../native.ts';

/** The address of a buffer, for a pointer within an attribute; keep the buffer reachable. */
export function pointer(buffer: Uint8Array): bigint {
  return addressOf(buffer);
}

/** Returns the result or the negative errno. */
export function bpf(cmd: number, attr: Uint8Array): number {
  return Number(syscall(SYS_BPF, cmd, attr, attr.length));
}
