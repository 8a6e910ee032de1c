/** What bash offers for lines that are begun, by the generated completion script. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';

const FILE = join(import.meta.dirname, '../../../../share/completions/heddle.bash');

/** What bash offers for a line, with commands that answer as a switch with two ports would. */
function complete(line: string): string[] {
  const script = `
    ovs-vsctl() {
      case "$*" in
        *list-br*) echo br0; echo br1 ;;
        *'list Port'*) echo p1; echo p2 ;;
        *'list Interface'*) echo i1 ;;
      esac
    }
    ovs-appctl() { echo 'The available commands are:'; echo '  fdb/show BRIDGE'; echo '  version'; }
    ovsdb-client() { echo Open_vSwitch; echo _Server; }
    source "$1"
    COMP_LINE=$2 COMP_POINT=\${#2}
    read -ra COMP_WORDS <<<"$2"
    COMP_CWORD=$((\${#COMP_WORDS[@]} - 1))
    _heddle
    printf '%s\\n' "\${COMPREPLY[@]}"`;
  const output = execFileSync('bash', ['--norc', '-c', script, 'bash', FILE, line], {
    encoding: 'utf8',
  });
  return output
    .split('\n')
    .filter((word) => word !== '')
    .sort();
}

const CASES: readonly [string, readonly string[]][] = [
  ['ovs-vsctl add-p', ['add-port']],
  ['ovs-vsctl add-b', ['add-bond', 'add-bond-iface', 'add-br']],
  ['ovs-vsctl list-ports ', ['br0', 'br1']],
  ['ovs-vsctl --db=unix:/x --no-wait list-ports br', ['br0', 'br1']],
  ['ovs-vsctl add-br b1 -- add-port br1', ['br1']],
  ['ovs-vsctl del-port br0 ', ['p1', 'p2']],
  ['ovs-vsctl iface-to-br ', ['i1']],
  ['ovs-vsctl list-br -- --may', ['--may-exist']],
  ['ovs-vsctl --time', ['--timeout=']],
  ['ovs-vsctl -f ', ['csv', 'html', 'json', 'list', 'table']],
  ['ovs-vsctl set-fail-mode br0 ', ['secure', 'standalone']],
  ['ovs-vsctl get Br', ['Bridge']],
  ['ovs-vsctl get Port p', ['p1', 'p2']],
  ['ovs-vsctl get Port p1 vlan', ['vlan_mode']],
  ['ovs-vsctl get Port p1 tag vlan', ['vlan_mode']],
  ['ovs-vsctl add-port br0 p9 tru', ['trunks']],
  ['ovs-appctl fdb', ['fdb/show']],
  ['ovs-appctl --tim', ['--timeout=']],
  ['ovsdb-client dump ', ['Open_vSwitch', '_Server']],
  ['ovsdb-tool schema-', ['schema-cksum', 'schema-name', 'schema-version']],
  ['heddle do', ['doctor', 'down']],
  ['heddle explain br', ['br0', 'br1']],
  ['heddle explain --ct', ['--ct-next=']],
  ['ovs-ofctl dump-f', ['dump-flows']],
  ['ovs-ofctl -O OpenFlow13 dump-flows br', ['br0', 'br1']],
  ['ovs-ofctl --bun', ['--bundle']],
  ['ovs-pki req', ['req', 'req+sign']],
  ['ovs-save save-flows br0 ', ['br0', 'br1']],
  ['heddle attach --mt', ['--mtu=']],
  ['ovs-docker del', ['del-port', 'del-ports']],
  ['/usr/local/bin/heddle st', ['status']],
];

for (const [line, expected] of CASES) {
  test(line, () => assert.deepEqual(complete(line), expected));
}
