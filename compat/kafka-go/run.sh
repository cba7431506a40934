#!/bin/sh
# kafka-go as go.mod names it. Arguments go to the harness.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../environment.sh"
. "$here/../golang/build.sh"
go_driver kafka-go github.com/segmentio/kafka-go
try "$version" "$@"
