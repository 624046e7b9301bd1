#!/bin/bash
# The package ws for Node: start.sh PORT [on|off], or start.sh --version. The second argument is compression.
folder=$(cd "${0%/*}" && pwd)
. "$folder/../common.sh"
need node "get it from https://nodejs.org, or on Debian and Ubuntu with \`apt-get install nodejs npm\`"
node_packages
if [ "$1" = --version ]; then
  version=$(package_version ws) || exit
  echo "ws $version on node $(node --version)"
  exit
fi
exec node "$folder/server.js" "$1" "${2:-off}" >&2
