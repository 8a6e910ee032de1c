/** What the machine and the kernel are like, as read, without judgement. */
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, readlinkSync, statfsSync } from 'node:fs';
import { arch, release } from 'node:os';
import { dirs } from '@heddle/runtime';
import { type BpfFacts, bpfFacts } from './facts-bpf.ts';
import { type BridgeFacts, bridgeFacts } from './facts-bridges.ts';

export interface Facts {
  readonly arch: string;
  readonly kernel: readonly [major: number, minor: number];
  readonly kernelRelease: string;
  readonly uid: number;
  /** CapEff of this process. */
  readonly capabilities: bigint;
  readonly bpf: BpfFacts;
  readonly btf: boolean;
  readonly bpffs: boolean;
  /** net.core.bpf_jit_enable; undefined where the kernel has no interpreter and no such knob. */
  readonly jit: number | undefined;
  /** Functions of the kernel that our programs call or that tell a feature. */
  readonly symbols: ReadonlySet<string>;
  /** Bytes; undefined for no limit. */
  readonly memlock: number | undefined;
  /** `net.bridge.bridge-nf-call-*` set to 1; undefined when br_netfilter is not there. */
  readonly bridgeNetfilter: readonly string[] | undefined;
  /** `[device, value]` where rp_filter is not 0. */
  readonly reversePath: readonly (readonly [string, number])[];
  readonly forwarding: { readonly ipv4: boolean; readonly ipv6: boolean };
  readonly conntrack: { readonly count: number; readonly max: number } | undefined;
  readonly docker: 'running' | 'installed' | 'absent';
  /** Executable of a switch that runs on the default run directory and is not ours. */
  readonly otherSwitch: string | undefined;
  readonly kernelModule: boolean;
  /** Undefined: no database answers. */
  readonly bridges: readonly BridgeFacts[] | undefined;
}

const SYMBOLS = [
  'bpf_cast_to_kern_ctx',
  'bpf_rdonly_cast',
  'tcx_link_attach',
  'clsact_init',
  'veth_peer_dev',
];

export async function gatherFacts(): Promise<Facts> {
  const kernelRelease = release();
  const [major = 0, minor = 0] = kernelRelease.split('.').map(Number);
  return {
    arch: arch(),
    kernel: [major, minor],
    kernelRelease,
    uid: process.getuid?.() ?? -1,
    capabilities: BigInt(`0x${/CapEff:\s*(\w+)/.exec(read('/proc/self/status') ?? '')?.[1] ?? 0}`),
    bpf: bpfFacts(),
    btf: existsSync('/sys/kernel/btf/vmlinux'),
    bpffs: isBpffs('/sys/fs/bpf'),
    jit: readNumber('/proc/sys/net/core/bpf_jit_enable'),
    symbols: kernelSymbols(),
    memlock: memlock(),
    bridgeNetfilter: bridgeNetfilter(),
    reversePath: reversePath(),
    forwarding: {
      ipv4: readNumber('/proc/sys/net/ipv4/ip_forward') === 1,
      ipv6: readNumber('/proc/sys/net/ipv6/conf/all/forwarding') === 1,
    },
    conntrack: conntrack(),
    docker: docker(),
    otherSwitch: otherSwitch(),
    kernelModule: existsSync('/sys/module/openvswitch'),
    bridges: await bridgeFacts(),
  };
}

export function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

function readNumber(path: string): number | undefined {
  const text = read(path)?.trim();
  return text === undefined || text === '' ? undefined : Number(text);
}

const BPF_FS_MAGIC = 0xcafe4a11;

function isBpffs(path: string): boolean {
  try {
    return statfsSync(path).type === BPF_FS_MAGIC;
  } catch {
    return false;
  }
}

function kernelSymbols(): Set<string> {
  const found = new Set<string>();
  const wanted = new Set(SYMBOLS);
  for (const line of (read('/proc/kallsyms') ?? '').split('\n')) {
    const name = line.split(/\s/)[2];
    if (name !== undefined && wanted.has(name)) found.add(name);
  }
  return found;
}

function memlock(): number | undefined {
  const soft = /Max locked memory\s+(\S+)/.exec(read('/proc/self/limits') ?? '')?.[1];
  return soft === undefined || soft === 'unlimited' ? undefined : Number(soft);
}

function bridgeNetfilter(): string[] | undefined {
  const directory = '/proc/sys/net/bridge';
  if (!existsSync(directory)) return undefined;
  const calls = readdirSync(directory).filter((name) => name.startsWith('bridge-nf-call-'));
  return calls.filter((name) => readNumber(`${directory}/${name}`) === 1);
}

function reversePath(): [string, number][] {
  const directory = '/proc/sys/net/ipv4/conf';
  if (!existsSync(directory)) return [];
  return readdirSync(directory)
    .map((name): [string, number] => [name, readNumber(`${directory}/${name}/rp_filter`) ?? 0])
    .filter(([, value]) => value !== 0);
}

function conntrack(): { count: number; max: number } | undefined {
  const directory = '/proc/sys/net/netfilter';
  const max = readNumber(`${directory}/nf_conntrack_max`);
  const count = readNumber(`${directory}/nf_conntrack_count`);
  return max === undefined || count === undefined ? undefined : { count, max };
}

function docker(): Facts['docker'] {
  try {
    execFileSync('docker', ['version', '--format', 'x'], { timeout: 3000, stdio: 'pipe' });
    return 'running';
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT' ? 'absent' : 'installed';
  }
}

/** The default directory of an installation, whatever ours is now. */
const INSTALLED_RUNDIR = '/var/run/openvswitch';

function otherSwitch(): string | undefined {
  if (dirs.rundir === INSTALLED_RUNDIR) return undefined;
  const pid = readNumber(`${INSTALLED_RUNDIR}/ovs-vswitchd.pid`);
  if (pid === undefined) return undefined;
  try {
    return readlinkSync(`/proc/${pid}/exe`);
  } catch {
    return undefined;
  }
}
