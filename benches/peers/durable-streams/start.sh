#!/bin/bash
# Electric's durable-streams: start.sh PORT, or start.sh --version
folder=$(cd "${0%/*}" && pwd)
. "$folder/../common.sh"
need durable-streams-server "install it with \`cargo install durable-streams\`"
if [ "$1" = --version ]; then
  echo "durable-streams $(installed_version durable-streams durable-streams-server)"
  exit
fi
data=$(mktemp --directory)
exec durable-streams-server --port "$1" --data-dir "$data" --durability memory --worker-threads 1 >&2
