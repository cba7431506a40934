#!/bin/sh
# Karapace, a schema registry. It is published as source alone, so it takes GitHub, Go and Rust to build, and skips without.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../environment.sh"
release=5.0.3
source=https://github.com/Aiven-Open/karapace/archive/refs/tags/$release.tar.gz
if [ ! -d "$cache/karapace" ] && ! curl --silent --head --fail --location --max-time 20 --output /dev/null "$source"; then
    echo "karapace: skipped: it is not on PyPI, and $source cannot be reached from here." >&2
    exit 77
fi
export SETUPTOOLS_SCM_PRETEND_VERSION=$release
environment karapace python3 "karapace @ $source" || {
    echo "karapace: skipped: it could not be built." >&2
    exit 77
}
try $release "$@"
