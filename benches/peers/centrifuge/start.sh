#!/bin/bash
# The library of Centrifugo: start.sh PORT, or start.sh --version
folder=$(cd "${0%/*}" && pwd)
. "$folder/../common.sh"
go_server centrifugal/centrifuge golang-github-centrifugal-centrifuge-dev "$@"
