#!/bin/bash
# Runs the functional tests of OpenStack Neutron's Open vSwitch agent on our switch: scripts/neutron.sh [TEST...]
# They are Debian's python3-neutron; what they need is installed (root, apt). Everything happens in namespaces of its own.
# TEST: a module or a test of neutron.tests.functional (agent.test_ovs_lib); by default all that concern Open vSwitch.
# NEUTRON_BIN: the commands to test (bin/); NEUTRON_LOGS: where logs go (/tmp/neutron-logs).
#
# Known to fail: test_trunk_manager's test_connectivity where the kernel has no VLAN devices, and the two
# test_assert_pings_during_br_phys_setup_not_lost…, which hang beneath this runner whatever the switch.
set -u
here=$(cd "$(dirname "$0")/.." && pwd)
bin=${NEUTRON_BIN:-$here/bin}
logs=${NEUTRON_LOGS:-/tmp/neutron-logs}
functional=neutron.tests.functional
tests=(agent.test_ovs_lib agent.common.test_ovs_lib agent.common.test_ovsdb_monitor agent.linux.test_ovsdb_monitor
  agent.linux.test_of_monitor agent.ovsdb.native.test_connection agent.ovsdb.native.test_helpers agent.test_ovs_flows
  agent.l2.extensions.test_ovs_agent_qos_extension cmd.test_ovs_cleanup agent.test_firewall agent.test_l2_ovs_agent
  services.trunk.drivers.openvswitch.agent.test_ovsdb_handler services.trunk.drivers.openvswitch.agent.test_trunk_manager)
# Those of other drivers, and those that hang.
skipped='Iptables|br_phys_setup_not_lost'

if [ "${1-}" = --inside ]; then
  shift
  export PATH=$bin:/usr/sbin:/usr/bin:/sbin:/bin OVS_RUNDIR=/run/openvswitch OVS_DBDIR=/run/openvswitch OVS_LOGDIR=$logs
  mkdir -p "$OVS_RUNDIR" /run/netns
  mount -t tmpfs tmpfs "$OVS_RUNDIR"
  mount -t tmpfs tmpfs /run/netns
  mount --make-shared /run/netns
  mount -t sysfs sysfs /sys
  mount -t bpf bpf /sys/fs/bpf
  ip link set lo up
  ovsdb-tool create "$OVS_RUNDIR/conf.db"
  ovsdb-server --remote="punix:$OVS_RUNDIR/db.sock" --remote=ptcp:6640:127.0.0.1 --pidfile --detach -vconsole:off \
    --log-file "$OVS_RUNDIR/conf.db"
  ovs-vsctl --no-wait init
  ovs-vswitchd --pidfile --detach -vconsole:off --log-file "unix:$OVS_RUNDIR/db.sock"
  export OS_SUDO_TESTING=1 OS_ROOTWRAP_CMD=sudo OS_LOG_PATH=$logs OS_TEST_TIMEOUT=180
  cd /tmp || exit 1
  failed=0
  for test in "$@"; do
    log=$logs/$test.log
    /usr/bin/python3 -m testtools.run --list "$functional.$test" 2>/dev/null | grep "^$functional" |
      grep -Ev "$skipped" >"$logs/list"
    timeout 1800 /usr/bin/python3 -m testtools.run --load-list="$logs/list" "$functional.$test" >"$log" 2>&1 || failed=1
    echo "$test: $(wc -l <"$logs/list") tests: $(tail -1 "$log")"
    grep -E '^(FAIL|ERROR): ' "$log"
  done
  ovs-appctl -T 5 exit --cleanup
  ovs-appctl -t ovsdb-server exit
  exit $failed
fi

packages=(python3-neutron python3-oslotest python3-testtools python3-ddt python3-testscenarios python3-testresources
  python3-webtest python3-pymysql python3-psycopg2 ncat arping sudo)
dpkg -s "${packages[@]}" >/dev/null 2>&1 ||
  DEBIAN_FRONTEND=noninteractive apt-get -q -y install --no-install-recommends "${packages[@]}" >/dev/null || exit 1
rm -rf "$logs"
mkdir -p "$logs"
[ $# -gt 0 ] && tests=("$@")
exec unshare --net --mount --pid --fork --kill-child --mount-proc --propagation private "$0" --inside "${tests[@]}"
