#!/bin/sh
# The newest quixstreams.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../environment.sh"
environment quixstreams python3 'quixstreams>=3.20'
try "$(version_of quixstreams)" "$@"
