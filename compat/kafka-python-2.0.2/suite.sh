#!/bin/sh
# kafka-python 2.0.2's own tests of a broker: suite.sh [--against HOST:PORT] [ARGUMENT OF PYTEST…]
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../environment.sh"
. "$here/../suites.sh"
. "$here/../pytest_suites.sh"
environment kafka-python-2.0.2-tests "python3.11" 'kafka-python==2.0.2' lz4 python-snappy zstandard pytest pytest-mock \
    pytest-timeout mock
unpack kafka-python 2.0.2
address_of "$@"
[ "${1:-}" != --against ] || shift 2
# The newest release that this client can tell from others.
export KAFKA_VERSION=2.5.0 KAFKA_ADDRESS="$address"
try_tests test/test_admin_integration.py test/test_consumer_group.py test/test_consumer_integration.py \
    test/test_producer.py test/test_sasl_integration.py "$@"
