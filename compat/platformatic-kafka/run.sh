#!/bin/sh
# @platformatic/kafka as package.json names it. Arguments go to the harness.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../environment.sh"
. "$here/../javascript/build.sh"
npm_driver platformatic-kafka @platformatic/kafka 24
try "$version" "$@"
