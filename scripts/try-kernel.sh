#!/bin/bash
# Runs tests under another kernel: boots one of the distribution's in a virtual machine that sees
# this machine's files, changes to which it forgets.
#
#   scripts/try-kernel.sh [-k PACKAGE] [COMMAND...]
#
# PACKAGE is a kernel image (default: what linux-image-amd64 depends on); COMMAND runs in the
# repository as root (default: the tests of the eBPF datapath). Exits with its status.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
repository=$PWD
package=
while getopts k: option; do
  case $option in k) package=$OPTARG ;; *) exit 2 ;; esac
done
shift $((OPTIND - 1))
[ $# -gt 0 ] || set -- node --test packages/datapath/src/kernel/*.test.ts packages/linux/src/*.test.ts

missing=()
command -v qemu-system-x86_64 >/dev/null || missing+=(qemu-system-x86)
command -v busybox >/dev/null || missing+=(busybox-static)
command -v depmod >/dev/null || missing+=(kmod)
if [ ${#missing[@]} -gt 0 ]; then
  echo "installing ${missing[*]} from the distribution" >&2
  apt-get install -y --no-install-recommends "${missing[@]}" >/dev/null
fi
[ -n "$package" ] || package=$(apt-cache depends linux-image-amd64 | awk '/Depends:/ { print $2; exit }')
kernels=$repository/.cache/kernels
files=$kernels/$package
if [ ! -e "$files/complete" ]; then
  echo "fetching $package from the distribution" >&2
  mkdir -p "$files"
  (cd "$kernels" && apt-get download "$package" 2>/dev/null && dpkg-deb -x "$package"_*.deb "$files" && rm "$package"_*.deb)
  depmod -b "$files" "$(ls "$files/lib/modules")"
  touch "$files/complete"
fi
version=$(ls "$files/lib/modules")

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
initrd=$work/initrd
mkdir -p "$initrd"/{bin,dev,proc,sys,host,new,rw,modules}
cp "$(command -v busybox)" "$initrd/bin/busybox"
for module in virtio_pci 9pnet_virtio 9p overlay; do
  modprobe --show-depends -d "$files" -S "$version" "$module" | awk '$1 == "insmod" { print $2 }'
done | awk '!seen[$0]++' >"$work/modules"
while read -r module; do
  cp "$module" "$initrd/modules/"
  basename "$module"
done <"$work/modules" >"$initrd/modules/order"

cat >"$initrd/init" <<'INIT'
#!/bin/busybox sh
b=/bin/busybox
$b mount -t proc proc /proc && $b mount -t sysfs sys /sys && $b mount -t devtmpfs dev /dev
while read -r module; do $b insmod /modules/$module; done </modules/order
$b mount -t 9p -o trans=virtio,version=9p2000.L,msize=1048576,cache=loose,ro host /host
$b mount -t tmpfs tmpfs /rw && $b mkdir /rw/upper /rw/work
$b mount -t overlay -o lowerdir=/host,upperdir=/rw/upper,workdir=/rw/work overlay /new
for d in proc sys dev; do $b mount --move /$d /new/$d; done
$b mount -t tmpfs tmpfs /new/run
$b mount -t bpf bpf /new/sys/fs/bpf
$b cp /job /new/run/job
exec $b switch_root /new /bin/sh /run/job
INIT
chmod +x "$initrd/init"

{
  echo "mkdir -p /lib/modules && mount --bind '$files/lib/modules' /lib/modules"
  echo "mkdir -p /dev/shm /dev/pts && mount -t tmpfs tmpfs /dev/shm"
  echo "export HOME=/root PATH='$PATH'; ip link set lo up; cd '$repository'"
  printf '%q ' "$@"
  echo
  echo 'echo "try-kernel: exit $?"; sync; echo o >/proc/sysrq-trigger; while :; do :; done'
} >"$initrd/job"
(cd "$initrd" && find . | busybox cpio -o -H newc 2>/dev/null) >"$work/initrd.img"

machine() {
  timeout -k 5 "$1" qemu-system-x86_64 "${@:2}" -m "${TRY_KERNEL_MEMORY:-4G}" -smp 2 -nographic -no-reboot \
    -nic none -kernel "$files/boot/vmlinuz-$version" </dev/null
}
# A KVM within another machine may be there and not work: without an initrd the kernel says so and ends.
accelerate=(-accel tcg,thread=multi -cpu max)
if [ -w /dev/kvm ] && machine 10 -accel kvm -cpu host -append 'console=ttyS0 panic=-1' 2>&1 | grep -aq 'Linux version'; then
  accelerate=(-accel kvm -cpu host)
else
  echo 'without KVM: this takes its time' >&2
fi
machine "${TRY_KERNEL_SECONDS:-900}" "${accelerate[@]}" -initrd "$work/initrd.img" \
  -virtfs local,path=/,mount_tag=host,security_model=none,readonly=on,multidevs=remap \
  -append 'console=ttyS0 quiet panic=-1' | tee "$work/log" || true
status=$(sed -n 's/^.*try-kernel: exit \([0-9]*\).*/\1/p' "$work/log")
exit "${status:-125}"
