#!/bin/bash
# Four containers on two bridges: npm run quickstart [-- --help]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
if [ -e scripts/setup.sh ]; then bash scripts/setup.sh quickstart; fi
node=node
for candidate in node_modules/node-linux-*/bin/node; do
  if [ -x "$candidate" ]; then node=$candidate; fi
done
exec "$node" scripts/quickstart/main.ts "$@"
