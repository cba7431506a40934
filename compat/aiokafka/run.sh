#!/bin/sh
# The newest aiokafka against a broker. Arguments go to the harness.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../environment.sh"
environment aiokafka "python3" 'aiokafka[lz4,snappy,zstd]>=0.12'
try "$(version_of aiokafka)" "$@"
