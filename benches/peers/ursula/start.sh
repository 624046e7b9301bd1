#!/bin/bash
# One node of Ursula in memory: start.sh PORT, or start.sh --version
folder=$(cd "${0%/*}" && pwd)
. "$folder/../common.sh"
need ursula "install it with \`cargo install ursula --locked\`"
if [ "$1" = --version ]; then
  ursula --version
  exit
fi
data=$(mktemp --directory)
cat > "$data/ursula.toml" <<END
[server]
listen = "127.0.0.1:$1"
admin_listen = "127.0.0.1:0"
[runtime]
core_count = 1
END
RUST_LOG=warn TOKIO_WORKER_THREADS=1 exec ursula server --preset default --config "$data/ursula.toml" >&2
