#!/bin/bash
# Proves that the linter refuses imports against the layers: in a copy, each illegal import below must be an error,
# and each legal one must not.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
cp biome.json package.json "$copy"
sed -i 's/"useIgnoreFile": true/"useIgnoreFile": false/; s/"enabled": true, "clientKind"/"enabled": false, "clientKind"/' "$copy/biome.json"
for package in packages/*/package.json; do
  mkdir -p "$copy/${package%/*}/src"
  cp "$package" "$copy/$package"
  echo 'export const a = 1;' >"$copy/${package%/*}/src/index.ts"
done
failed=0
try() { # EXPECTED PACKAGE SPECIFIER
  local file=$copy/packages/$2/src/probe.ts verdict=legal
  printf "import { a } from '%s';\n\nexport const b = a;\n" "$3" >"$file"
  (cd "$copy" && "$OLDPWD/node_modules/.bin/biome" lint "$file") >"$copy/out" 2>&1 || verdict=illegal
  if [ "$verdict" = illegal ] && ! grep -Eq 'noUndeclaredDependencies|noRestrictedImports' "$copy/out"; then
    cat "$copy/out" >&2
    verdict='refused for another reason'
  fi
  rm "$file"
  [ "$verdict" = "$1" ] && return
  echo "check-layers: $2 importing $3 is $verdict, not $1" >&2
  failed=1
}
try legal datapath @heddle/packet
try legal vswitch @heddle/datapath
try legal cli @heddle/vswitch
try legal packet ./index.ts
try illegal runtime @heddle/linux
try illegal packet @heddle/linux
try illegal ovsdb @heddle/vswitch
try illegal datapath @heddle/vswitch
try illegal datapath @heddle/ovsdb
try illegal vswitch @heddle/cli
try illegal vswitch @heddle/testing
try illegal packet ../../linux/src/index.ts
try illegal linux ../../../packages/ovsdb/src/index.ts
try illegal cli @heddle/runtime/src/index.ts
[ $failed = 0 ] && echo 'layers hold'
exit $failed
