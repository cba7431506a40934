#!/bin/sh
# rdkafka's own tests against one node at localhost:9092, the address they insist on: suite.sh [ARGUMENT OF A TEST…]
# PEER=kafka runs them against Apache Kafka instead.
#
# So this is for root on Linux: it runs in a network and processes of its own, and nothing of it outlives it. The tests
# also insist on a broker with the id 0 that makes three partitions by default.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../environment.sh"
. "$here/../suites.sh"
peer=${PEER:-higgins}
folder=$cache/rdkafka/suite
state=$folder-$peer
export CARGO_TARGET_DIR="$cache/rdkafka" RUST_LOG=off

if [ -z "${IN_A_NETWORK_OF_ITS_OWN:-}" ]; then
    for tool in unshare ip cargo make cc "${HIGGINS_PYTHON:-python3}"; do
        if [ "$(id -u)" != 0 ] || ! command -v "$tool" >/dev/null; then
            echo "rdkafka: skipped: root, unshare, ip, cargo, make and a C compiler are needed and are not all here." >&2
            exit 77
        fi
    done
    # Everything is fetched here: there is nothing to fetch from within that network.
    manifest=$(cd "$here" && cargo metadata --format-version 1 --locked | "${HIGGINS_PYTHON:-python3}" -c '
import json, sys
print(next(one["manifest_path"] for one in json.load(sys.stdin)["packages"] if one["name"] == "rdkafka"))')
    rm -rf "$folder" "$state" && mkdir -p "$folder" "$state"
    cp -r "$(dirname "$manifest")/." "$folder"
    # The first build takes minutes: librdkafka comes as its source.
    (cd "$folder" && cargo test --locked -j 2 --tests --no-run) >"$state/build.log" 2>&1 || {
        echo "rdkafka: skipped: cargo could not build the tests; see $state/build.log" >&2
        exit 77
    }
    [ "$peer" = higgins ] || "$here/../kafka.sh" jars >/dev/null
    IN_A_NETWORK_OF_ITS_OWN=yes exec unshare --net --pid --fork --kill-child --mount-proc "$0" "$@"
fi

ip link set lo up
if [ "$peer" = higgins ]; then
    : >"$state/broker.log"
    HIGGINS_NODE_ID=0 "${HIGGINS:-$compat/../.venv/bin/higgins}" up --store memory:// --listen localhost:9092 \
        --set num.partitions=3 >>"$state/broker.log" 2>&1 &
    until grep -q broker.started "$state/broker.log"; do
        kill -0 $! || exit 1
        sleep 0.1
    done
else
    KAFKA_PORT=9092 KAFKA_NODE_ID=0 KAFKA_PARTITIONS=3 "$here/../kafka.sh" start "$state/kafka"
fi
cd "$folder"
: >"$state/results"
for file in tests/test_*.rs; do
    name=$(basename "$file" .rs)
    # One that hangs is ended.
    timeout 600 cargo test --offline --locked --test "$name" -- "$@" >"$state/$name.log" 2>&1 || true
    sed -n "s/^test \([^ ]*\) \.\.\. ok$/pass $name::\1/p; s/^test \([^ ]*\) \.\.\. FAILED$/fail $name::\1/p
        s/^test \([^ ]*\) \.\.\. ignored.*/skip $name::\1/p" "$state/$name.log" >>"$state/results"
    grep -q '^test result: ' "$state/$name.log" || echo "fail $name::did-not-finish" >>"$state/results"
done
verdict=0
judge "$state/results" "$here/suite.expected" || verdict=1
if [ "$peer" = higgins ]; then clean "$state/broker.log" || verdict=1; fi
echo "what they said: $state"
exit $verdict
