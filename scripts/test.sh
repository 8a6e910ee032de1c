#!/bin/bash
# All tests: scripts/test.sh [FILE...]   (also: npm test); TEST_RETRY=0: nothing gets a second chance
# Unit tests beside their sources and tests/**, in the project's Node. Without root, what needs it says so and fails.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
bash scripts/setup.sh test
node=node
for candidate in "$PWD"/node_modules/node-linux-*/bin/node; do [ -x "$candidate" ] && node=$candidate; done
PATH=$(dirname "$node"):$PWD/node_modules/.bin:$PATH:/usr/sbin:/sbin
export PATH
if [ $# -eq 0 ]; then set -- 'packages/*/src/**/*.test.ts' 'tests/**/*.test.ts'; fi
# A daemon of a test need not be as quick as one that stays.
export HEDDLE_REHEARSAL_MS=${HEDDLE_REHEARSAL_MS-200}
failed=$(mktemp)
trap 'rm -f "$failed"' EXIT
# A test that hangs is a failure, not a wait.
run() { # CONCURRENCY FILE...
  local concurrency=$1
  shift
  "$node" --test --test-force-exit --test-timeout="${TEST_TIMEOUT_MS:-300000}" --test-concurrency="$concurrency" \
    --test-reporter="${TEST_REPORTER:-spec}" --test-reporter-destination=stdout \
    --test-reporter=./scripts/failed-files.mjs --test-reporter-destination="$failed" "$@"
}
# One file per processor runs at a time.
run "$(nproc)" "$@" && exit 0
settings=$(env | grep -E '^HEDDLE_(SEED|COUNT)=' | sort | tr '\n' ' ' || true)
echo "failed; to repeat: ${settings}scripts/test.sh $(tr '\n' ' ' <"$failed")"
[ "${TEST_RETRY:-1}" = 1 ] || exit 1
# Real kernels and clocks, shared with whatever else runs: a few files get a second chance, one at a time, and are named.
mapfile -t again <"$failed"
[ ${#again[@]} -gt 0 ] && [ ${#again[@]} -le 5 ] || exit 1
echo "failed, once more one at a time: ${again[*]}"
run 1 "${again[@]}" || exit 1
echo "passed at the second try only: ${again[*]}"
