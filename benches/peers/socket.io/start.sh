#!/bin/bash
# socket.io on Node: start.sh PORT, or start.sh --version
folder=$(cd "${0%/*}" && pwd)
. "$folder/../common.sh"
need node "get it from https://nodejs.org, or on Debian and Ubuntu with \`apt-get install nodejs npm\`"
node_packages
if [ "$1" = --version ]; then
  version=$(package_version socket.io) || exit
  echo "socket.io $version on node $(node --version)"
  exit
fi
exec node "$folder/server.js" "$1" >&2
