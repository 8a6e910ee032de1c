#!/bin/bash
# Makes a clean clone ready:  scripts/setup.sh [LEVEL]
#   run     (or quickstart) what the switch and the quickstart need
#   test    all that the tests and .ci/run need, too
# Installs what is missing with npm and from the distribution, saying so; a third of a second when all is there.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
level=${1:-run}
case $level in run | quickstart | test) ;; *) echo "usage: scripts/setup.sh [run|test]" >&2; exit 1 ;; esac

say() { echo "setup: $*" >&2; }

# Packages of Debian and what shows that each is there: a command, or a file.
run_packages=(gcc:gcc libc6-dev:/usr/include/stdio.h docker.io:dockerd busybox-static:busybox iproute2:ip
  iputils-ping:ping iperf3:iperf3)
test_packages=(clang:clang llvm:llvm-strip bpftool:bpftool libbpf-dev:/usr/include/bpf/bpf_helpers.h
  openvswitch-switch:ovs-vswitchd openvswitch-common:ovs-appctl openvswitch-testcontroller:ovs-testcontroller
  python3-openvswitch:/usr/lib/python3/dist-packages/ovs/__init__.py
  ovn-central:/usr/share/ovn/ovn-sb.ovsschema ovn-common:ovn-nbctl strace:strace
  nfdump:nfdump nfdump-sflow:sfcapd
  mininet:mn python3-os-ken:osken-manager python3-ovsdbapp:/usr/lib/python3/dist-packages/ovsdbapp/__init__.py
  tcpdump:tcpdump ethtool:ethtool procps:ps openssl:openssl)

missing_packages() {
  local entry probe
  for entry in "$@"; do
    probe=${entry#*:}
    if [[ $probe == /* ]]; then [ -e "$probe" ] && continue
    else PATH=$PATH:/usr/sbin:/sbin command -v "$probe" >/dev/null && continue; fi
    echo "${entry%%:*}"
  done
}

# Services of the packages do not start: a policy-rc.d says no, for as long as this takes.
install_packages() {
  local root=() policy=/usr/sbin/policy-rc.d made=
  if ! command -v apt-get >/dev/null; then
    say "missing: $*. This is no Debian: install them with its own package manager, then try again"
    return 1
  fi
  if [ "$(id -u)" != 0 ]; then
    if sudo -n true 2>/dev/null; then root=(sudo)
    else say "missing: $*. As root: apt-get install --no-install-recommends $*"; return 1; fi
  fi
  # Debian 13 has the client in a package of its own.
  if [[ " $* " == *" docker.io "* ]] && apt-cache show docker-cli >/dev/null 2>&1; then set -- "$@" docker-cli; fi
  say "installing from the distribution: $* (their services are not started)"
  if [ ! -e $policy ]; then
    printf '#!/bin/sh\nexit 101\n' | "${root[@]}" tee $policy >/dev/null
    "${root[@]}" chmod +x $policy
    made=1
  fi
  # shellcheck disable=SC2064
  trap "${made:+${root[*]} rm -f $policy}" EXIT
  local apt=("${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o Dpkg::Use-Pty=0)
  local log
  log=$(mktemp)
  if ! { "${apt[@]}" install --no-install-recommends "$@" || { "${apt[@]}" update &&
    "${apt[@]}" install --no-install-recommends "$@"; }; } >"$log" 2>&1; then
    tail -n 20 "$log" >&2
    say "could not install $*"
    return 1
  fi
  rm -f "$log"
  if [ -n "$made" ]; then "${root[@]}" rm -f $policy; fi
  trap - EXIT
}

# npm ci would do, but some mirrors lack the binaries of other platforms, which it wants to see; this keeps to the
# lockfile just as well.
install_modules() {
  say "installing the packages of package-lock.json"
  npm install --ignore-scripts --no-audit --no-fund --loglevel=error >&2
  touch node_modules/.package-lock.json
}

if [ ! -e node_modules/.package-lock.json ] || [ package-lock.json -nt node_modules/.package-lock.json ]; then
  install_modules
fi

wanted=("${run_packages[@]}")
if [ "$level" = test ]; then wanted+=("${test_packages[@]}"); fi
mapfile -t missing < <(missing_packages "${wanted[@]}")
if [ ${#missing[@]} -gt 0 ]; then install_packages "${missing[@]}"; fi

# The build says nothing when it has nothing to do; a bundle older than a source is made again.
if [ ! -e dist/built ] || [ ! -e packages/linux/build/heddle.node ] ||
  [ -n "$(find packages/*/src packages/linux/native scripts/build.mjs package-lock.json -newer dist/built \
    ! -name '*.test.ts' -print -quit)" ]; then
  say "building"
  node=node
  for candidate in node_modules/node-linux-*/bin/node; do [ -x "$candidate" ] && node=$candidate; done
  "$node" scripts/build.mjs >&2
fi
