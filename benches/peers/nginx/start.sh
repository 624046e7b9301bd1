#!/bin/bash
# nginx as a proxy: start.sh PORT on|off UPSTREAM, or start.sh --version. The second argument is compression, and the
# third the address of our server.
folder=$(cd "${0%/*}" && pwd)
. "$folder/../common.sh"
nginx_proxy "$@"
