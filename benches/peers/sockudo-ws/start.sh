#!/bin/bash
# sockudo-ws after hyper: start.sh PORT, or start.sh --version
folder=$(cd "${0%/*}" && pwd)
. "$folder/../common.sh"
rust_program sockudo-ws
if [ "$1" = --version ]; then
  echo "sockudo-ws $(crate_version sockudo-ws)"
  exit
fi
exec "$program" "$1" >&2
