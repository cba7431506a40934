#!/bin/sh
# Kafka's own command line tools, from Maven Central.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../environment.sh"
. "$compat/java/build.sh"
machinery kafka-tools
KAFKA_TOOLS_JARS=$("$compat/kafka.sh" jars) || {
    echo "kafka-tools: skipped: Maven could not fetch Kafka's jars." >&2
    exit 77
}
export KAFKA_TOOLS_JARS
python=${HIGGINS_PYTHON:-python3}
try "${KAFKA_VERSION:-4.2.0}" "$@"
