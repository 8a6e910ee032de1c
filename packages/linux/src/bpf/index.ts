/** BPF objects on bpf(2) alone: no libbpf, no ELF at run time. */
export { type LightSkeleton, type LoadedSkeleton, loadLightSkeleton } from './light-skeleton.ts';
export { BpfMap, createMap, type MapBatch, type MapScan, possibleCpus } from './map.ts';
export {
  attachTcx,
  ensureBpffs,
  getPinned,
  linkIfindex,
  pin,
  progTestRun,
  type TestRun,
  updateLink,
} from './objects.ts';
export { BpfError } from './syscall.ts';
