#!/bin/bash
# Runs every generator into a copy of its outputs and fails when one differs from what is checked in:
#   scripts/check-generated.sh [--write]      (--write: keep the new outputs)
# A generator is a file packages/**/generate-*.ts; `git` tells what it has changed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
for node in "$PWD"/node_modules/node-linux-*/bin; do [ -x "$node/node" ] && PATH=$node:$PATH; done
mapfile -t generators < <(find packages -path '*/node_modules' -prune -o -name 'generate-*.ts' ! -name '*.test.ts' -print | sort)
# What they write, and nothing else: the marker is in each output's first lines.
mapfile -t outputs < <(git ls-files 'packages/**/generated/*' 'packages/datapath/bpf/flow-key.h' 'share/*')
[ ${#outputs[@]} -gt 0 ] || { echo "check-generated: no outputs are checked in" >&2; exit 1; }
backup=$(mktemp -d)
finish() {
  [ "${1:-}" = --write ] || cp -a "$backup/." .
  rm -rf "$backup"
}
trap 'finish "${write:-}"' EXIT
write=${1:-}
cp -a --parents "${outputs[@]}" "$backup"
for generator in "${generators[@]}"; do
  node "$generator" >/dev/null || { echo "check-generated: $generator failed" >&2; exit 1; }
done
stale=0
for output in "${outputs[@]}"; do
  cmp -s "$output" "$backup/$output" && continue
  echo "check-generated: $output is out of date: run scripts/check-generated.sh --write" >&2
  stale=1
done
[ $stale = 0 ] && echo "generated files are fresh"
exit $stale
