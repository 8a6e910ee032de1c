#!/bin/bash
# All tests: scripts/test.sh [FILE...]   (also: npm test)
# Unit tests beside their sources and tests/**, in the project's Node. Without root, what needs it says so and fails.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
bash scripts/setup.sh test
node=node
for candidate in "$PWD"/node_modules/node-linux-*/bin/node; do [ -x "$candidate" ] && node=$candidate; done
PATH=$(dirname "$node"):$PWD/node_modules/.bin:$PATH:/usr/sbin:/sbin
export PATH
if [ $# -eq 0 ]; then set -- 'packages/*/src/**/*.test.ts' 'tests/**/*.test.ts'; fi
# A test that hangs is a failure, not a wait. One file per processor runs at a time.
exec "$node" --test --test-force-exit --test-timeout="${TEST_TIMEOUT_MS:-300000}" --test-concurrency="$(nproc)" \
  --test-reporter="${TEST_REPORTER:-spec}" --test-reporter-destination=stdout "$@"
