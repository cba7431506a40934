#!/bin/sh
# kcat as the system's packages have it; installed with apt-get where that is possible.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../environment.sh"
if ! command -v kcat >/dev/null; then
    if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
        echo "kcat: skipped: it is not installed, and installing it takes root and apt-get." >&2
        exit 77
    fi
    { apt-get update -qq && apt-get install -qq --yes kcat; } >/dev/null 2>&1 || {
        echo "kcat: skipped: apt-get could not install it." >&2
        exit 77
    }
fi
python=${HIGGINS_PYTHON:-python3}
try "$(kcat -V | sed -n 's/^Version \([0-9.]*\).*librdkafka \([0-9.]*\).*/\1 (librdkafka \2)/p')" "$@"
