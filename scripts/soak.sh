#!/bin/bash
# Long runs of tests that take a count:  scripts/soak.sh [NAME...]   (also: npm run soak)
# Without names, all of them, one after the other. HEDDLE_SEED chooses the first seed: by default another one each time.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# NAME COUNT FILE: what the count counts is in the file.
runs="
transact      100000 tests/differential/ovsdb/transact.test.ts
monitor        50000 tests/differential/ovsdb/monitor.test.ts
conversation   50000 tests/differential/ovsdb/conversation.test.ts
schema         20000 tests/interop/ovsdb-schema.test.ts
vsctl          30000 tests/differential/ovs-vsctl/ovs-vsctl.test.ts
powercut        5000 packages/ovsdb/src/server/database.test.ts
kill            2000 tests/interop/ovsdb-durability.test.ts
failing-sync     200 tests/interop/ovsdb-failing-sync.test.ts
full-disk         60 tests/interop/ovsdb-full-disk.test.ts
raft           10000 tests/interop/raft.test.ts
fuzz          250000 tests/fuzz/ovsdb.test.ts
hostile        20000 packages/ovsdb/src/server/hostile.test.ts
"
export HEDDLE_SEED=${HEDDLE_SEED:-$((RANDOM * 32768 + RANDOM))} TEST_TIMEOUT_MS=14400000
echo "HEDDLE_SEED=$HEDDLE_SEED"
failed=()
while read -r name count file; do
  [ -n "$name" ] || continue
  [ $# -eq 0 ] || [[ " $* " == *" $name "* ]] || continue
  echo "== $name: HEDDLE_COUNT=$count $file"
  HEDDLE_COUNT=$count TEST_RETRY=0 nice bash scripts/test.sh "$file" </dev/null || failed+=("$name")
done <<<"$runs"
[ ${#failed[@]} -eq 0 ] || { echo "failed with HEDDLE_SEED=$HEDDLE_SEED: ${failed[*]}"; exit 1; }
