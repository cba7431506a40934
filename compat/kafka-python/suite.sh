#!/bin/sh
# kafka-python's own integration tests: suite.sh [--against HOST:PORT] [ARGUMENT OF PYTEST…]
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../environment.sh"
. "$here/../suites.sh"
. "$here/../pytest_suites.sh"
environment kafka-python-tests "python3" 'kafka-python[crc32c,lz4,snappy,zstd]>=3' pytest pytest-mock pytest-timeout py \
    'setuptools>=77'
unpack kafka-python "$(version_of kafka-python)"
address_of "$@"
[ "${1:-}" != --against ] || shift 2
# The release decides what is tried. The folder has to be there; nothing is started from it.
export KAFKA_VERSION=4.2.0 KAFKA_URI="kafka://$address" KAFKA_ROOT="$source"
try_tests test/integration "$@"
