#!/bin/bash
# HAProxy as a proxy: start.sh PORT on|off UPSTREAM, or start.sh --version. The second argument is ignored, and the third
# is the address of our server.
folder=$(cd "${0%/*}" && pwd)
. "$folder/../common.sh"
haproxy_proxy "$@"
