#!/bin/bash
# fastwebsockets after hyper: start.sh PORT, or start.sh --version
folder=$(cd "${0%/*}" && pwd)
. "$folder/../common.sh"
rust_program fastwebsockets
if [ "$1" = --version ]; then
  echo "fastwebsockets $(crate_version fastwebsockets)"
  exit
fi
exec "$program" "$1" >&2
