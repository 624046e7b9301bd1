#!/bin/bash
# nginx as a proxy with its defaults: start.sh PORT on|off UPSTREAM, or start.sh --version. The second argument is
# ignored, and the third is the address of our server.
folder=$(cd "${0%/*}" && pwd)
. "$folder/../common.sh"
nginx_proxy "$@"
