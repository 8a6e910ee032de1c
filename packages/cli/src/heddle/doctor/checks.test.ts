/** What `heddle doctor` finds from given facts of a machine. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { examine, type Finding } from './checks.ts';
import type { Facts } from './facts.ts';
import { text } from './main.ts';

/** A machine with nothing wrong. */
const GOOD: Facts = {
  arch: 'x64',
  kernel: [6, 18],
  kernelRelease: '6.18.0',
  uid: 0,
  capabilities: (1n << 41n) - 1n,
  bpf: { mapError: undefined, programError: undefined, tcx: true },
  btf: true,
  bpffs: true,
  jit: 1,
  symbols: new Set(['bpf_cast_to_kern_ctx', 'bpf_rdonly_cast', 'tcx_link_attach', 'clsact_init']),
  memlock: undefined,
  bridgeNetfilter: undefined,
  reversePath: [],
  forwarding: { ipv4: true, ipv6: true },
  conntrack: undefined,
  docker: 'running',
  otherSwitch: undefined,
  kernelModule: false,
  bridges: [],
};

const port = (name: string, mtu = 1500) => ({ name, mtu, error: undefined, rivals: [] });

function finding(facts: Partial<Facts>, check: string): Finding {
  const found = examine({ ...GOOD, ...facts }).find((one) => one.check === check);
  assert.ok(found, check);
  return found;
}

test('a good machine has nothing but good findings', () => {
  assert.deepEqual(
    examine(GOOD).filter(({ severity }) => severity !== 'ok'),
    [],
  );
});

test('every finding that is not good says what it costs and how to mend it', () => {
  const bad: Partial<Facts>[] = [
    { kernel: [5, 10], memlock: 65536, btf: false, bpffs: false, jit: 0, symbols: new Set() },
    { capabilities: 0n, bpf: { mapError: 'EPERM', programError: 'EPERM', tcx: false } },
    { bpf: { mapError: 'ENOSYS', programError: 'ENOSYS', tcx: false } },
    { conntrack: { count: 99, max: 100 }, bridgeNetfilter: ['bridge-nf-call-iptables'] },
    { docker: 'absent', otherSwitch: '/usr/sbin/ovs-vswitchd', kernelModule: true },
  ];
  for (const facts of bad) {
    for (const one of examine({ ...GOOD, ...facts }).filter(({ severity }) => severity !== 'ok')) {
      assert.ok(one.cost && one.mend, JSON.stringify(one));
    }
  }
});

test('what keeps the datapath from working is a problem, the rest is not', () => {
  const severity = (facts: Partial<Facts>, check: string) => finding(facts, check).severity;
  assert.equal(severity({ kernel: [5, 15] }, 'kernel'), 'problem');
  assert.equal(severity({ capabilities: 0n }, 'permissions'), 'problem');
  assert.equal(severity({ btf: false }, 'btf'), 'problem');
  const noBpf = { mapError: 'EPERM', programError: 'EPERM', tcx: false };
  assert.match(finding({ bpf: noBpf }, 'bpf').mend!, /root/);
  assert.equal(severity({ bpf: noBpf }, 'bpf'), 'problem');
  const noTcx = { mapError: undefined, programError: undefined, tcx: false };
  assert.equal(severity({ bpf: noTcx, kernel: [6, 1] }, 'hook'), 'note');
  assert.equal(severity({ bpf: noTcx, symbols: new Set() }, 'hook'), 'problem');
  assert.equal(severity({ jit: 0 }, 'jit'), 'warning');
  assert.equal(severity({ docker: 'absent' }, 'docker'), 'note');
  assert.equal(severity({ kernel: [6, 1], memlock: 65536 }, 'memlock'), 'ok');
  assert.equal(severity({ kernel: [5, 4], memlock: 65536 }, 'memlock'), 'warning');
});

test('ports of one bridge with several MTUs are named', () => {
  const bridges = [{ name: 'br0', ports: [port('a'), port('b', 1400), port('c', 9000)] }];
  const found = finding({ bridges }, 'mtu');
  assert.match(found.found, /1400, 1500, 9000/);
  assert.match(found.cost!, /to b are dropped/);
});

test('an interface with an error, a rival program, a strict filter', () => {
  const bridges = [
    { name: 'br0', ports: [{ ...port('a'), error: 'no device', rivals: ['cil_from_netdev'] }] },
  ];
  assert.equal(finding({ bridges }, 'port').severity, 'problem');
  assert.match(finding({ bridges }, 'rival programs').found, /cil_from_netdev/);
  assert.match(finding({ bridges, reversePath: [['a', 1]] }, 'rp_filter').found, /on a/);
  assert.equal(finding({ bridges, reversePath: [['z', 1]] }, 'rp_filter').severity, 'ok');
  assert.match(finding({ bridges, reversePath: [['all', 1]] }, 'rp_filter').found, /on a/);
});

test('the text names each finding and the verdict', () => {
  const findings = examine({ ...GOOD, btf: false });
  const shown = text(findings, false);
  assert.match(shown, /^✗ btf: .*\n {4}costs: .*\n {4}mend: {2}use a kernel/m);
  assert.match(shown, /See the lines marked/);
});
