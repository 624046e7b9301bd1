#!/bin/bash
# Bun.serve: start.sh PORT [on|off], or start.sh --version. The second argument is compression.
folder=$(cd "${0%/*}" && pwd)
. "$folder/../common.sh"
PATH=$PATH:$folder/../node_modules/.bin
need bun "get it from https://bun.com, or run \`npm install\` in benches/peers"
if [ "$1" = --version ]; then
  echo "bun $(bun --version)"
  exit
fi
exec bun run "$folder/server.js" "$1" "${2:-off}" >&2
