#!/bin/sh
# sarama as go.mod names it. Arguments go to the harness.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../environment.sh"
. "$here/../golang/build.sh"
go_driver sarama github.com/IBM/sarama
try "$version" "$@"
