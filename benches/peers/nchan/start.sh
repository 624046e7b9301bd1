#!/bin/bash
# nginx with the module nchan: start.sh PORT [on|off], or start.sh --version. The second argument is compression.
folder=$(cd "${0%/*}" && pwd)
. "$folder/../common.sh"
PATH=$PATH:/usr/sbin
need nginx "on Debian and Ubuntu install it with \`apt-get install nginx libnginx-mod-nchan\`"
[ -e /usr/share/nginx/modules/ngx_nchan_module.so ] ||
  missing "there is no module nchan for nginx: on Debian and Ubuntu install it with \`apt-get install libnginx-mod-nchan\`"
if [ "$1" = --version ]; then
  echo "nchan $(debian_version libnginx-mod-nchan) on $(nginx -v 2>&1 | sed 's/.*nginx\//nginx /')"
  exit
fi
data=$(mktemp --directory)
# The worker may run as another user.
chmod 711 "$data"
sed "s#DIRECTORY#$data#g; s#PORT#$1#g; s#COMPRESSION#${2:-off}#g" "$folder/nginx.conf" > "$data/nginx.conf"
exec nginx -e stderr -c "$data/nginx.conf" >&2
