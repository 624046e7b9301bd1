#!/bin/bash
# The server Sockudo: start.sh PORT, or start.sh --version
folder=$(cd "${0%/*}" && pwd)
. "$folder/../common.sh"
need sockudo "install it with \`cargo install sockudo --locked\`"
if [ "$1" = --version ]; then
  sockudo --version
  exit
fi
configuration sockudo.toml "$@"
# Sockudo also reads config/ in its working directory.
cd "$data"
RUST_LOG=warn TOKIO_WORKER_THREADS=1 exec sockudo --config "$data/sockudo.toml" >&2
