#!/bin/sh
# KafkaJS as package.json names it. Arguments go to the harness.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../environment.sh"
. "$here/../javascript/build.sh"
npm_driver kafkajs kafkajs 18
try "$version" "$@"
