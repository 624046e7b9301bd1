#!/bin/bash
# gorilla/websocket with the hub of its chat example: start.sh PORT [on|off], or
# start.sh --version. The second argument is compression.
folder=$(cd "${0%/*}" && pwd)
. "$folder/../common.sh"
go_server gorilla/websocket golang-github-gorilla-websocket-dev "$@"
