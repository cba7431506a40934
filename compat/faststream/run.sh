#!/bin/sh
# The newest faststream.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../environment.sh"
environment faststream python3 'faststream[confluent,kafka]>=0.7'
try "$(version_of faststream)" "$@"
