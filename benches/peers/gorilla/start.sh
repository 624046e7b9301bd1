#!/bin/bash
# gorilla/websocket in a loop over all connections: start.sh PORT, or start.sh --version
folder=$(cd "${0%/*}" && pwd)
. "$folder/../common.sh"
go_server gorilla/websocket golang-github-gorilla-websocket-dev "$@"
