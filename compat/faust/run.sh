#!/bin/sh
# The newest faust-streaming.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../environment.sh"
environment faust python3 'faust-streaming>=0.11'
try "$(version_of faust-streaming)" "$@"
