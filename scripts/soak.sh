#!/bin/bash
# Long runs of tests that take a count:  scripts/soak.sh [NAME...]   (also: npm run soak)
# Without names, all of them, one after the other: days. A name is that of a run or of a set (database, openflow,
# pipeline, conntrack, dummy, neighbours). HEDDLE_PERCENT=10: a tenth of each count. HEDDLE_SEED chooses the first seed: by default another one each time.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# SET NAME COUNT FILE: what the count counts is in the file.
runs="
database   transact         100000 tests/differential/ovsdb/transact.test.ts
database   monitor           50000 tests/differential/ovsdb/monitor.test.ts
database   conversation      50000 tests/differential/ovsdb/conversation.test.ts
database   schema            20000 tests/interop/ovsdb-schema.test.ts
database   convert            2000 tests/interop/ovsdb-convert.test.ts
database   vsctl             30000 tests/differential/ovs-vsctl/ovs-vsctl.test.ts
database   audience          10000 packages/ovsdb/src/server/audience.test.ts
database   powercut           5000 packages/ovsdb/src/server/database.test.ts
database   kill               2000 tests/interop/ovsdb-durability.test.ts
database   failing-sync        200 tests/interop/ovsdb-failing-sync.test.ts
database   full-disk            60 tests/interop/ovsdb-full-disk.test.ts
database   raft              10000 tests/interop/raft.test.ts
database   fuzz             250000 tests/fuzz/ovsdb.test.ts
database   hostile           20000 packages/ovsdb/src/server/hostile.test.ts
database   direct-sockets     1000 tests/interop/ovsdb-direct-sockets.test.ts
database   record-writer      2000 tests/interop/ovsdb-record-writer.test.ts
openflow   match            100000 tests/differential/openflow/match.test.ts
openflow   actions          100000 tests/differential/openflow/actions.test.ts
openflow   messages         200000 tests/differential/openflow/messages.test.ts
openflow   print            200000 tests/differential/openflow/ofp-print.test.ts
openflow   monitors            500 tests/differential/openflow/monitors.test.ts
openflow   versions             20 tests/interop/openflow-versions.test.ts
openflow   controller          500 tests/openflow/random-controller.test.ts
openflow   controllers       1000 tests/openflow/random-pair.test.ts
openflow   timed-controllers  500 tests/openflow/random-timed.test.ts
openflow   hostile-switch     4000 tests/openflow/hostile-switch.test.ts
openflow   hostile-switches  20000 tests/openflow/hostile-switches.test.ts
openflow   hostile-replies    2000 tests/openflow/hostile-replies.test.ts
openflow   openflow-fuzz    200000 tests/fuzz/openflow.test.ts
openflow   recorded         300000 packages/openflow/src/msgs/recorded.test.ts
openflow   switch-messages  150000 packages/openflow/src/msgs/switch-messages.test.ts
openflow   flow-templates    10000 packages/openflow/src/text/flow-templates.test.ts
openflow   add-layouts     2000000 packages/openflow/src/msgs/add-layouts.test.ts
openflow   flow-entries    1000000 packages/openflow/src/msgs/flow-entries.test.ts
openflow   flow-replies       2000 packages/openflow/src/print/flow-reply-text.test.ts
openflow   flow-changes       4000 packages/vswitch/src/ofproto/flow-changes.test.ts
openflow   eviction          20000 packages/vswitch/src/ofproto/eviction.test.ts
pipeline   tables              800 packages/vswitch/src/pipeline.oracle.test.ts
pipeline   megaflow          30000 packages/vswitch/src/megaflow.property.test.ts
pipeline   megaflows          4000 packages/vswitch/src/pipeline.property.test.ts
pipeline   table-changes      4000 packages/vswitch/src/table-changes.test.ts
pipeline   xlate             15000 packages/vswitch/src/xlate/xlate.property.test.ts
pipeline   classifier         6000 packages/vswitch/src/classifier/classifier.test.ts
pipeline   slow-path         40000 packages/vswitch/src/slow-path.test.ts
pipeline   clone             20000 packages/vswitch/src/xlate/clone.property.test.ts
pipeline   action-codec     200000 packages/datapath/src/kernel/action-codec.test.ts
pipeline   kernel-tunnel    200000 packages/datapath/src/kernel/tunnel.test.ts
pipeline   tunnel-life      200000 tests/netns/tunnel-life.test.ts
pipeline   prefixes            100 tests/differential/prefixes.test.ts
pipeline   learned-flows       100 tests/differential/learned-flows.test.ts
pipeline   joined-bridges     3000 tests/differential/pipeline/pipeline.test.ts
pipeline   engines            1000 tests/differential/engines.test.ts
pipeline   tunnel              300 packages/vswitch/src/tunnel/tunnel.oracle.test.ts
pipeline   native-tunnels     1500 tests/differential/native-tunnels.test.ts
pipeline   vlan-modes          600 tests/netns/vlan-modes.test.ts
conntrack  ct                 3000 packages/vswitch/src/conntrack.oracle.test.ts
conntrack  helpers            3000 packages/vswitch/src/conntrack-helpers.oracle.test.ts
conntrack  ftp              300000 packages/datapath/src/conntrack/ftp.test.ts
conntrack  kernel-ct          2000 packages/datapath/src/kernel/kernel-dpif.test.ts
conntrack  userspace-ct       2000 packages/datapath/src/userspace/userspace-dpif.test.ts
dummy      dummy-switch        200 tests/differential/dummy.test.ts
dummy      odp-texts       100000 tests/differential/odp-texts.test.ts
dummy      trace-words      50000 tests/differential/trace-words.test.ts
dummy      meters              200 tests/differential/meters.test.ts
dummy      qos                 200 tests/differential/qos.test.ts
dummy      snooping            100 tests/differential/mcast-snooping.test.ts
neighbours spanning-tree       100 tests/differential/spanning-tree.test.ts
neighbours tree-networks        50 tests/differential/spanning-tree-networks.test.ts
neighbours trees              4000 packages/vswitch/src/spanning-tree/trees.test.ts
neighbours carry-over         4000 packages/vswitch/src/spanning-tree/carry-over.test.ts
neighbours bfd                 100 tests/differential/bfd.test.ts
neighbours cfm                 100 tests/differential/cfm.test.ts
neighbours lldp               3000 tests/differential/lldp.test.ts
"
export HEDDLE_SEED=${HEDDLE_SEED:-$((RANDOM * 32768 + RANDOM))} TEST_TIMEOUT_MS=14400000
echo "HEDDLE_SEED=$HEDDLE_SEED"
failed=()
while read -r set name count file; do
  [ -n "$set" ] || continue
  [ $# -eq 0 ] || [[ " $* " == *" $name "* || " $* " == *" $set "* ]] || continue
  count=$(((count * ${HEDDLE_PERCENT:-100} + 99) / 100))
  echo "== $name: HEDDLE_COUNT=$count $file"
  HEDDLE_COUNT=$count TEST_RETRY=0 nice bash scripts/test.sh "$file" </dev/null || failed+=("$name")
done <<<"$runs"
[ ${#failed[@]} -eq 0 ] || { echo "failed with HEDDLE_SEED=$HEDDLE_SEED: ${failed[*]}"; exit 1; }
