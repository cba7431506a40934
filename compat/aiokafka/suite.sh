#!/bin/sh
# aiokafka's own tests: suite.sh [--against HOST:PORT] [ARGUMENT OF PYTEST…]
# Its sdist has no tests, so they come with git from its repository, at the release that is installed; or from the folder
# AIOKAFKA_SOURCE, a checkout. Tests of transactions, of authentication and of encryption are left out.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../environment.sh"
. "$here/../suites.sh"
. "$here/../pytest_suites.sh"
environment aiokafka-tests "python3" 'aiokafka[lz4,snappy,zstd]>=0.12' pytest pytest-asyncio pytest-mock pytest-timeout
version=$(version_of aiokafka)
source=$cache/aiokafka/suite/$version
if [ ! -d "$source/tests" ]; then
    rm -rf "$source" && mkdir -p "$source"
    if [ -n "${AIOKAFKA_SOURCE:-}" ]; then
        cp -r "$AIOKAFKA_SOURCE/tests" "$source"
    elif ! git clone --quiet --depth 1 --branch "v$version" https://github.com/aio-libs/aiokafka "$source/checkout"; then
        echo "aiokafka's suite: skipped: its repository is not to be had from here; AIOKAFKA_SOURCE may name a checkout." >&2
        exit 77
    else
        mv "$source/checkout/tests" "$source"
    fi
fi
export PARTITIONS=2
address_of "$@"
[ "${1:-}" != --against ] || shift 2
export KAFKA_ADDRESS="$address"
try_tests tests --docker-image "none:2.13_4.2.0" --no-pull -o asyncio_mode=auto -m 'not ssl' \
    --ignore tests/test_sasl.py --ignore tests/test_transactional_consumer.py \
    --ignore tests/test_transactional_producer.py "$@"
