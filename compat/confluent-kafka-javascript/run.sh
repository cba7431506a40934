#!/bin/sh
# @confluentinc/kafka-javascript as package.json names it. Arguments go to the harness.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../environment.sh"
. "$here/../javascript/build.sh"
# Where there is no built one to be had, npm builds librdkafka against the system's libraries.
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    for library in zlib1g-dev libssl-dev libzstd-dev; do
        dpkg -s "$library" >/dev/null 2>&1 || apt-get install -qq --yes "$library" >/dev/null 2>&1 || true
    done
fi
export CKJS_LINKING=dynamic
npm_driver confluent-kafka-javascript @confluentinc/kafka-javascript 18
try "$version" "$@"
