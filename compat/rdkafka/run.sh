#!/bin/sh
# rdkafka as Cargo.toml names it, with the librdkafka that it bundles. Arguments go to the harness.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../environment.sh"
if ! command -v cargo >/dev/null || ! command -v make >/dev/null || ! command -v cc >/dev/null; then
    echo "rdkafka: skipped: cargo, make and a C compiler are needed and are not all here." >&2
    exit 77
fi
export CARGO_TARGET_DIR="$cache/rdkafka"
mkdir -p "$CARGO_TARGET_DIR"
# The first build takes minutes: librdkafka comes as its source.
(cd "$here" && cargo build --quiet --release --locked -j 2) || {
    echo "rdkafka: skipped: cargo could not build the driver; is crates.io reachable?" >&2
    exit 77
}
version=$(sed -n '/^name = "rdkafka"$/{n;s/version = "\(.*\)"/\1/p;}' "$here/Cargo.lock")
bundled=$(sed -n '/^name = "rdkafka-sys"$/{n;s/version = ".*+\(.*\)"/\1/p;}' "$here/Cargo.lock")
python=${HIGGINS_PYTHON:-python3}
export COMPAT_DRIVER="$CARGO_TARGET_DIR/release/driver"
try "$version (librdkafka $bundled)" "$@"
