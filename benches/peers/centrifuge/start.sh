#!/bin/bash
# The library of Centrifugo: start.sh PORT, or start.sh --version
folder=$(cd "${0%/*}" && pwd)
. "$folder/../common.sh"
need go "get it from https://go.dev, or on Debian and Ubuntu with \`apt-get install golang-go\`"
[ -d /usr/share/gocode/src/github.com/centrifugal/centrifuge ] ||
  missing "there is no library centrifuge: install it with \`apt-get install golang-github-centrifugal-centrifuge-dev\`"
go_program
if [ "$1" = --version ]; then
  echo "centrifuge $(debian_version golang-github-centrifugal-centrifuge-dev) on $(go version | cut -d ' ' -f 3)"
  exit
fi
GOMAXPROCS=1 exec "$program" "$1" >&2
