#!/bin/bash
# S2's server in memory: start.sh PORT, or start.sh --version
folder=$(cd "${0%/*}" && pwd)
. "$folder/../common.sh"
need s2 "install it with \`cargo install s2-cli --locked\`"
if [ "$1" = --version ]; then
  s2 --version | awk '{ print "s2-lite", $2 }'
  exit
fi
RUST_LOG=warn TOKIO_WORKER_THREADS=1 S2LITE_NO_DASHBOARD=1 exec s2 lite --port "$1" >&2
