#!/bin/sh
# Runs a command in a clean clone on a fresh Debian 12 that has Node, npm and git only:
#   scripts/try-clean.sh [COMMAND]     (default: npm run quickstart && npm test)
# The system lives in $CLEAN_ROOT (default /var/tmp/heddle-clean), made by debootstrap once and copied for each
# run, so that nothing of an earlier run or of this machine's own packages is left over. Needs root and debootstrap.
set -eu
repo=$(cd "$(dirname "$0")/.." && pwd)
root=${CLEAN_ROOT:-/var/tmp/heddle-clean}
mirror=${DEBIAN_MIRROR:-http://deb.debian.org/debian}
command=${1:-npm run quickstart && npm test}
[ -d "$root/base" ] || {
  echo "Making a Debian 12 in $root/base ..."
  mkdir -p "$root"
  debootstrap --variant=minbase --include=ca-certificates,git bookworm "$root/base.new" "$mirror"
  mv "$root/base.new" "$root/base"
}
rm -rf "$root/run"
cp -a "$root/base" "$root/run"
# Node and npm as they are on this machine.
cp -a "$(command -v node)" "$root/run/usr/bin/node"
mkdir -p "$root/run/usr/lib/node_modules"
cp -aL /usr/lib/node_modules/npm "$root/run/usr/lib/node_modules/"
ln -sf ../lib/node_modules/npm/bin/npm-cli.js "$root/run/usr/bin/npm"
ln -sf ../lib/node_modules/npm/bin/npx-cli.js "$root/run/usr/bin/npx"
# How this machine reaches the registries: names, npm's settings, certificates.
certs=/etc/ssl/certs/ca-certificates.crt
for f in "$HOME/.npmrc" /etc/resolv.conf /etc/hosts "$certs"; do
  [ -e "$f" ] && { mkdir -p "$root/run$(dirname "$f")"; cp -L "$f" "$root/run$f"; }
done
git clone -q --no-local "$repo" "$root/run/heddle"
exec unshare --mount --pid --fork --kill-child sh -c '
  r=$1; shift
  # A root of its own mount: container engines remount it.
  mount --bind "$r" "$r"
  mount -t proc proc "$r/proc"
  mount --rbind /sys "$r/sys"
  mount --rbind /dev "$r/dev"
  mount -t tmpfs tmpfs "$r/run"
  exec chroot "$r" env -i HOME="$HOME" NODE_EXTRA_CA_CERTS='"$certs"' PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    sh -c "cd /heddle && $1"
' sh "$root/run" "$command"
