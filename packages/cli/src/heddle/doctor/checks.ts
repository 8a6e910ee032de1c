/** Judgement of the facts: each finding says what is so, what it costs and how to mend it. */
import type { Facts } from './facts.ts';

export type Severity = 'ok' | 'note' | 'warning' | 'problem';

export interface Finding {
  readonly check: string;
  readonly severity: Severity;
  readonly found: string;
  /** What does not work, or works worse. */
  readonly cost?: string;
  readonly mend?: string;
}

type Check = (facts: Facts) => Finding | Finding[];

export function examine(facts: Facts): Finding[] {
  return CHECKS.flatMap((check) => check(facts));
}

const ok = (check: string, found: string): Finding => ({ check, severity: 'ok', found });

const NETDEV = 'bridges with datapath_type=netdev, which is many times slower, still work';

const CAPABILITIES: readonly [string, bigint][] = [
  ['CAP_NET_ADMIN', 12n],
  ['CAP_NET_RAW', 13n],
  ['CAP_SYS_ADMIN', 21n],
];

const CHECKS: readonly Check[] = [
  kernelVersion,
  permissions,
  bpfSyscall,
  hook,
  (f) =>
    f.btf
      ? ok('btf', 'the kernel describes its types (/sys/kernel/btf/vmlinux)')
      : {
          check: 'btf',
          severity: 'problem',
          found: '/sys/kernel/btf/vmlinux is missing',
          cost: `the eBPF datapath cannot be fitted to this kernel; ${NETDEV}`,
          mend: 'use a kernel built with CONFIG_DEBUG_INFO_BTF=y, as all large distributions have',
        },
  (f) =>
    f.bpffs
      ? ok('bpffs', 'mounted on /sys/fs/bpf')
      : {
          check: 'bpffs',
          severity: 'warning',
          found: '/sys/fs/bpf is not a BPF file system',
          cost: 'the switch mounts one itself; without the right to mount, traffic stops with the daemon',
          mend: 'mount -t bpf bpf /sys/fs/bpf',
        },
  jit,
  kfuncs,
  (f) =>
    f.memlock === undefined || atLeast(f, 5, 11)
      ? ok('memlock', 'maps are not limited by RLIMIT_MEMLOCK')
      : {
          check: 'memlock',
          severity: 'warning',
          found: `locked memory is limited to ${f.memlock} bytes`,
          cost: 'large flow tables are refused with EPERM',
          mend: 'ulimit -l unlimited (LimitMEMLOCK=infinity in a systemd unit)',
        },
  conntrack,
  bridgeNetfilter,
  reversePath,
  (f) => ({
    check: 'ip_forward',
    severity: f.forwarding.ipv4 ? 'ok' : 'note',
    found: `IPv4 forwarding is ${onOff(f.forwarding.ipv4)}, IPv6 forwarding ${onOff(f.forwarding.ipv6)}`,
    ...(f.forwarding.ipv4
      ? {}
      : {
          cost: 'switching needs none of it; this machine does not route between its networks',
          mend: 'sysctl -w net.ipv4.ip_forward=1, if it should be a gateway of the containers',
        }),
  }),
  docker,
  otherSwitch,
  bridges,
];

function atLeast({ kernel: [major, minor] }: Facts, wantMajor: number, wantMinor: number): boolean {
  return major > wantMajor || (major === wantMajor && minor >= wantMinor);
}

function onOff(on: boolean): string {
  return on ? 'on' : 'off';
}

function kernelVersion(f: Facts): Finding {
  const found = `Linux ${f.kernelRelease} on ${f.arch}`;
  if (atLeast(f, 6, 1)) return ok('kernel', found);
  return {
    check: 'kernel',
    severity: 'problem',
    found,
    cost: `the eBPF datapath needs Linux 6.1; ${NETDEV}`,
    mend: 'boot a newer kernel',
  };
}

function permissions(f: Facts): Finding {
  const missing = CAPABILITIES.filter(([, bit]) => ((f.capabilities >> bit) & 1n) === 0n);
  if (missing.length === 0)
    return ok('permissions', `all capabilities that are needed, uid ${f.uid}`);
  return {
    check: 'permissions',
    severity: 'problem',
    found: `uid ${f.uid} lacks ${missing.map(([name]) => name).join(', ')}`,
    cost: 'no device can be made or attached, no program loaded',
    mend: 'run the switch as root; for a container: --cap-add NET_ADMIN --cap-add SYS_ADMIN',
  };
}

function bpfSyscall({ bpf }: Facts): Finding {
  const reason = bpf.mapError ?? bpf.programError;
  if (reason === undefined) return ok('bpf', 'maps can be created and programs loaded');
  const denied = reason === 'EPERM' || reason === 'EACCES';
  const absent = reason === 'ENOSYS';
  return {
    check: 'bpf',
    severity: 'problem',
    found: bpf.mapError === undefined ? `loading a program: ${reason}` : `bpf(2): ${reason}`,
    cost: `no eBPF datapath; ${NETDEV}`,
    mend: denied
      ? 'run as root; in a container allow the bpf system call (seccomp) and CAP_BPF'
      : absent
        ? 'use a kernel with CONFIG_BPF_SYSCALL=y'
        : 'see the text of the error',
  };
}

function hook(f: Facts): Finding {
  if (f.bpf.tcx) return ok('hook', 'TCX links: programs are replaced without a gap');
  if (f.symbols.has('clsact_init') || !atLeast(f, 6, 6)) {
    return {
      check: 'hook',
      severity: 'note',
      found: 'no TCX links (Linux 6.6), tc clsact filters are used instead',
      cost: 'other tools that replace the qdisc of a port also remove the switch from it',
      mend: 'Linux 6.6 or newer',
    };
  }
  return {
    check: 'hook',
    severity: 'problem',
    found: 'neither TCX links nor the clsact qdisc',
    cost: `no eBPF datapath; ${NETDEV}`,
    mend: 'use a kernel with CONFIG_NET_XGRESS=y or CONFIG_NET_SCH_INGRESS',
  };
}

function jit(f: Facts): Finding {
  if (f.jit !== 0) return ok('jit', 'programs are compiled to machine code');
  return {
    check: 'jit',
    severity: 'warning',
    found: 'net.core.bpf_jit_enable is 0',
    cost: 'the datapath is interpreted, several times slower',
    mend: 'sysctl -w net.core.bpf_jit_enable=1',
  };
}

function kfuncs(f: Facts): Finding {
  const needed = ['bpf_cast_to_kern_ctx', 'bpf_rdonly_cast'];
  const missing = needed.filter((name) => !f.symbols.has(name));
  if (missing.length === 0) return ok('kfuncs', 'offload state of packets can be read');
  return {
    check: 'kfuncs',
    severity: 'warning',
    found: `the kernel has no ${missing.join(', ')} (Linux 6.2)`,
    cost: 'the first packets of a flow have their checksums completed in software',
    mend: 'Linux 6.2 or newer',
  };
}

function conntrack(f: Facts): Finding {
  if (f.conntrack === undefined) {
    return ok('conntrack', 'the kernel tracks no connections here; the switch does not need it');
  }
  const { count, max } = f.conntrack;
  const found = `${count} of ${max} connections in the kernel's table`;
  if (count < 0.9 * max) return ok('conntrack', found);
  return {
    check: 'conntrack',
    severity: 'warning',
    found,
    cost: 'the host drops new connections; traffic that is only switched is not concerned',
    mend: `sysctl -w net.netfilter.nf_conntrack_max=${max * 2}`,
  };
}

function bridgeNetfilter(f: Facts): Finding {
  const calls = f.bridgeNetfilter ?? [];
  if (calls.length === 0) return ok('br_netfilter', 'bridged packets do not pass the firewall');
  return {
    check: 'br_netfilter',
    severity: 'note',
    found: `${calls.join(', ')} = 1`,
    cost: 'packets on Linux bridges pass iptables, which may drop them; those on our bridges do not',
    mend: `sysctl -w ${calls.map((name) => `net.bridge.${name}=0`).join(' ')}`,
  };
}

function reversePath(f: Facts): Finding {
  const names = new Set((f.bridges ?? []).flatMap((b) => b.ports.map((port) => port.name)));
  const all = f.reversePath.find(([name]) => name === 'all')?.[1] ?? 0;
  const strict = [...names].filter((name) => {
    const own = f.reversePath.find(([device]) => device === name)?.[1] ?? 0;
    return Math.max(all, own) === 1;
  });
  if (strict.length === 0)
    return ok('rp_filter', 'no port of a bridge has a strict reverse-path filter');
  return {
    check: 'rp_filter',
    severity: 'note',
    found: `strict reverse-path filter on ${strict.join(', ')}`,
    cost: 'the host drops packets there whose answers would leave by another device',
    mend: strict.map((name) => `sysctl -w net.ipv4.conf.${name}.rp_filter=2`).join('; '),
  };
}

function docker(f: Facts): Finding {
  if (f.docker === 'running') return ok('docker', 'a Docker daemon answers');
  return {
    check: 'docker',
    severity: 'note',
    found: f.docker === 'installed' ? 'Docker is installed, no daemon answers' : 'no Docker',
    cost: 'ovs-docker and pipework have no containers; heddle attach works with any namespace',
    mend: f.docker === 'installed' ? 'start dockerd' : 'install docker.io, if you want it',
  };
}

function otherSwitch(f: Facts): Finding {
  if (f.otherSwitch === undefined && !f.kernelModule) {
    return ok('open vswitch', 'no other Open vSwitch runs here');
  }
  return {
    check: 'open vswitch',
    severity: 'note',
    found: [f.otherSwitch && `${f.otherSwitch} runs`, f.kernelModule && 'openvswitch.ko is loaded']
      .filter(Boolean)
      .join(', '),
    cost: 'none, as long as both do not use the same run directory or the same devices',
    mend: 'set OVS_RUNDIR, OVS_DBDIR and OVS_LOGDIR for one of the two',
  };
}

function bridges(f: Facts): Finding[] {
  if (f.bridges === undefined) {
    return [
      { check: 'bridges', severity: 'note', found: 'no database answers: ports are not examined' },
    ];
  }
  const findings = f.bridges.flatMap((bridge) => [
    ...mtus(bridge.name, bridge.ports),
    ...bridge.ports
      .toSorted((a, b) => (a.name < b.name ? -1 : 1))
      .flatMap((port) => portFindings(bridge.name, port)),
  ]);
  const ports = f.bridges.reduce((sum, bridge) => sum + bridge.ports.length, 0);
  return findings.length > 0
    ? findings
    : [ok('bridges', `${f.bridges.length} bridges with ${ports} ports, nothing wrong with them`)];
}

type Port = NonNullable<Facts['bridges']>[number]['ports'][number];

function mtus(bridge: string, ports: readonly Port[]): Finding[] {
  const values = [...new Set(ports.map(({ mtu }) => mtu).filter((mtu) => mtu !== undefined))];
  if (values.length < 2) return [];
  const smallest = Math.min(...values);
  const narrow = ports.filter(({ mtu }) => mtu === smallest).map(({ name }) => name);
  return [
    {
      check: 'mtu',
      severity: 'warning',
      found: `ports of ${bridge} have MTUs ${values.sort((a, b) => a - b).join(', ')}`,
      cost: `larger packets to ${narrow.join(', ')} are dropped: a switch does not fragment`,
      mend: 'give all of them one MTU (ovs-vsctl set interface NAME mtu_request=N, ip link set mtu)',
    },
  ];
}

function portFindings(bridge: string, port: Port): Finding[] {
  const findings: Finding[] = [];
  if (port.error !== undefined) {
    findings.push({
      check: 'port',
      severity: 'problem',
      found: `${port.name} of ${bridge}: ${port.error}`,
      cost: 'the port carries nothing',
      mend: `bring the device back, or ovs-vsctl del-port ${bridge} ${port.name}`,
    });
  }
  if (port.rivals.length > 0) {
    findings.push({
      check: 'rival programs',
      severity: 'warning',
      found: `other tc programs on ${port.name}: ${port.rivals.join(', ')}`,
      cost: 'they may take packets before or after the switch',
      mend: `tc filter del dev ${port.name} ingress, if nobody needs them`,
    });
  }
  return findings;
}
