#!/bin/bash
# gorilla/websocket in a loop over all connections: start.sh PORT, or start.sh --version
folder=$(cd "${0%/*}" && pwd)
. "$folder/../common.sh"
need go "get it from https://go.dev, or on Debian and Ubuntu with \`apt-get install golang-go\`"
[ -d /usr/share/gocode/src/github.com/gorilla/websocket ] ||
  missing "there is no gorilla/websocket: install it with \`apt-get install golang-github-gorilla-websocket-dev\`"
go_program
if [ "$1" = --version ]; then
  echo "gorilla/websocket $(debian_version golang-github-gorilla-websocket-dev) on $(go version | cut -d ' ' -f 3)"
  exit
fi
GOMAXPROCS=1 exec "$program" "$1" >&2
