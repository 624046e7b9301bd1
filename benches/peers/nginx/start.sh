#!/bin/bash
# nginx as a proxy: start.sh PORT on|off UPSTREAM, or start.sh --version. The second argument is compression, and the
# third the address of our server.
folder=$(cd "${0%/*}" && pwd)
. "$folder/../common.sh"
PATH=$PATH:/usr/sbin
need nginx "get it from https://nginx.org, or on Debian and Ubuntu with \`apt-get install nginx\`"
if [ "$1" = --version ]; then
  nginx -v 2>&1 | sed 's/.*nginx\//nginx /'
  exit
fi
data=$(mktemp --directory)
sed "s#DIRECTORY#$data#g; s#PORT#$1#g; s#COMPRESSION#$2#g; s#UPSTREAM#$3#g" "$folder/nginx.conf" > "$data/nginx.conf"
exec nginx -e stderr -p "$data" -c "$data/nginx.conf" >&2
