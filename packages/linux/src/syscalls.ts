/** System call numbers of the architectures that we run on (asm/unistd.h). */
const X64 = {
  close: 3,
  rt_sigprocmask: 14,
  ioctl: 16,
  socket: 41,
  sendto: 44,
  recvfrom: 45,
  bind: 49,
  getsockname: 51,
  setsockopt: 54,
  mount: 165,
  umount2: 166,
  unshare: 272,
  setns: 308,
  memfd_create: 319,
  bpf: 321,
} as const;

const ARM64: Record<keyof typeof X64, number> = {
  close: 57,
  rt_sigprocmask: 135,
  ioctl: 29,
  socket: 198,
  sendto: 206,
  recvfrom: 207,
  bind: 200,
  getsockname: 204,
  setsockopt: 208,
  mount: 40,
  umount2: 39,
  unshare: 97,
  setns: 268,
  memfd_create: 279,
  bpf: 280,
};

export const SYS: Record<keyof typeof X64, number> = process.arch === 'arm64' ? ARM64 : X64;
