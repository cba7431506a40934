#!/bin/sh
# The newest confluent-kafka, whose wheel bundles librdkafka.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../environment.sh"
environment confluent-kafka "python3" 'confluent-kafka>=2.15'
try "$(version_of confluent-kafka)" "$@"
