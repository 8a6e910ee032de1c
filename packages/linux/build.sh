#!/bin/sh
# Builds the native addon into build/heddle.node with the C compiler at hand; does nothing when it is up to date.
set -eu
cd "$(dirname "$0")"
out=build/heddle.node
[ -e "$out" ] && [ -z "$(find native build.sh -newer "$out")" ] && exit 0
root=../..
for include in "$root"/node_modules/node-linux-*/include/node /usr/include/node /usr/local/include/node; do
  [ -e "$include/node_api.h" ] && [ -e "$include/uv.h" ] && break
done
[ -e "$include/node_api.h" ] || {
  echo "build.sh: no node_api.h: run 'npm install' in the project's root first" >&2
  exit 1
}
mkdir -p build
${CC:-cc} -O2 -Wall -Wextra -Wno-unused-parameter -std=gnu11 -fPIC -shared -I"$include" \
  -o "$out.new" native/*.c
mv "$out.new" "$out"
