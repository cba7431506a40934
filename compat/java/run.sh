#!/bin/sh
# Java's kafka-clients 4.2.0, driven by the program in java/src.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../environment.sh"
. "$compat/java/build.sh"
machinery java
driver 4.2.0
python=${HIGGINS_PYTHON:-python3}
try 4.2.0 "$@"
