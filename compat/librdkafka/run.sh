#!/bin/sh
# librdkafka as the system's packages have it, from C; its headers are installed with apt-get where that is possible.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../environment.sh"
if ! command -v cc >/dev/null; then
    echo "librdkafka: skipped: a C compiler is needed and is not here." >&2
    exit 77
fi
if [ ! -f /usr/include/librdkafka/rdkafka.h ]; then
    if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
        echo "librdkafka: skipped: librdkafka-dev is not installed, and installing it takes root and apt-get." >&2
        exit 77
    fi
    { apt-get update -qq && apt-get install -qq --yes librdkafka-dev; } >/dev/null 2>&1 || {
        echo "librdkafka: skipped: apt-get could not install librdkafka-dev." >&2
        exit 77
    }
fi
mkdir -p "$cache/librdkafka"
cc -std=gnu11 -O1 -Wall -Wextra -Werror -o "$cache/librdkafka/driver" "$here"/*.c -lrdkafka
version=$(sed -n 's/^#define RD_KAFKA_VERSION *0x\(..\)\(..\)\(..\).*/0x\1 0x\2 0x\3/p' /usr/include/librdkafka/rdkafka.h)
# shellcheck disable=SC2086  # three numbers
version=$(printf '%d.%d.%d' $version)
python=${HIGGINS_PYTHON:-python3}
export COMPAT_DRIVER="$cache/librdkafka/driver"
try "$version" "$@"
