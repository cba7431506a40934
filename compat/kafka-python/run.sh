#!/bin/sh
# The newest kafka-python against a broker. Arguments go to the harness.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../environment.sh"
environment kafka-python "python3" 'kafka-python[crc32c,lz4,snappy,zstd]>=3'
try "$(version_of kafka-python)" "$@"
