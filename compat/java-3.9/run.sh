#!/bin/sh
# Java's kafka-clients 3.9.1, driven by the program in java/src.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../environment.sh"
. "$compat/java/build.sh"
machinery java-3.9
driver 3.9.1
python=${HIGGINS_PYTHON:-python3}
try 3.9.1 "$@"
