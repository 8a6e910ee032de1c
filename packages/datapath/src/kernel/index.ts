/** The eBPF datapath. */
export { KernelDpif } from './kernel-dpif.ts';
export { instanceId, type KernelDpifOptions, openKernelDpif, PIN_ROOT } from './open.ts';
